// Whether the mesh is well: what the control plane tells of itself, registries, objects, proxies, and credentials.
// Pure. Invariant: one check a subject, always the same ones, in the same order.
import type { ControlStatus, WithoutSidecar } from '../control/contract.ts';
import type { ProxyCertificate } from '../control/proxy-certificate.ts';
import type { Problem } from '../model/problem.ts';
import { type Check, named } from './check.ts';
import { ago, counted } from './table.ts';

/** As the API gives it. */
export interface TrustState {
  /** The first one signs. */
  readonly roots: readonly { readonly keyId: string; readonly notAfterMs: number; readonly signs: boolean }[];
  readonly rotation?: {
    readonly phase: string;
    readonly sinceMs?: number;
    readonly waitsFor?: string;
    readonly untilMs?: number;
    /** Who rotates the root, where it is not the control plane. */
    readonly how?: string;
  };
  readonly certificates: readonly ProxyCertificate[];
}

/** Renewal begins at its time; a minute later it should have happened. */
const renewalGraceMs = 60_000;
const rootSoonMs = 30 * 86_400_000;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const minute = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;

/** Certificates of edges are a check of their own. */
const ofEdge = (code: string): boolean => ['CH1240', 'CH1266', 'CH1267', 'CH1268'].includes(code);

const ok = (check: string, message: string): Check => ({ check, result: 'ok', message });
const warn = (check: string, message: string, next: string): Check => ({ check, result: 'warn', message, next });
const fail = (check: string, message: string, next: string): Check => ({ check, result: 'FAIL', message, next });

/** `trust` undefined: no certificates are issued. */
export function meshChecks(
  server: string,
  status: ControlStatus,
  trust: TrustState | undefined,
  nowMs: number,
): readonly Check[] {
  return [
    serverCheck(server, status),
    registriesCheck(status),
    problemsCheck(
      'objects',
      status.problems.filter(({ code }) => !ofEdge(code)),
      'no errors',
    ),
    proxiesCheck(status),
    credentialsCheck(status, nowMs),
    ...(trust === undefined ? [] : [certificatesCheck(status, trust, nowMs), rootCheck(trust, nowMs)]),
    problemsCheck(
      'edge certificates',
      status.problems.filter(({ code }) => ofEdge(code)),
      'none is near its end',
    ),
    ...mtlsChecks(status),
  ];
}

function serverCheck(server: string, { ready, waitingFor, revision }: ControlStatus): Check {
  if (ready) return ok('server', `${server} is ready, at snapshot ${revision}`);
  return fail(
    'server',
    `${server} is not ready: it waits for ${waitingFor.join(', ')}`,
    'chancery problems; see its log',
  );
}

function registriesCheck({ sources, held }: ControlStatus): Check {
  const told = [
    ...sources.flatMap(({ name, degraded }) => (degraded === undefined ? [] : [`${name}: ${degraded.reason}`])),
    ...held.map(({ source, reason }) => `${source} is held at last good: ${reason}`),
  ];
  if (told.length > 0)
    return warn('registries', `${told.join('; ')}; what was known last is served`, 'chancery problems');
  return ok('registries', `${sources.map(({ name }) => name).join(', ') || 'none'} in sync`);
}

function problemsCheck(check: string, problems: readonly Problem[], fine: string): Check {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (problems.length === 0) return ok(check, fine);
  const [first] = errors.length > 0 ? errors : problems;
  const numbers = [
    ...(errors.length > 0 ? [counted(errors.length, 'error')] : []),
    ...(problems.length > errors.length ? [counted(problems.length - errors.length, 'warning')] : []),
  ];
  const message = `${numbers.join(', ')}: [${first?.code}] ${first?.at.object}: ${first?.message}${problems.length > 1 ? ', ...' : ''}`;
  return (errors.length > 0 ? fail : warn)(check, message, 'chancery problems');
}

function proxiesCheck({ proxies }: ControlStatus): Check {
  const of = (state: string): string[] => proxies.flatMap((proxy) => (proxy.state === state ? [proxy.node] : []));
  const [synced, pending, rejecting, offline] = [of('synced'), of('pending'), of('rejecting'), of('offline')];
  const told = [
    ...(rejecting.length > 0 ? [`${named(rejecting, 'proxy', 'proxies')} refusing what is sent`] : []),
    ...(pending.length > 0 ? [`${named(pending, 'proxy', 'proxies')} not yet in sync`] : []),
    ...(offline.length > 0 ? [`${named(offline, 'proxy', 'proxies')} offline`] : []),
  ];
  if (proxies.length === 0) return warn('proxies', 'none has connected', 'chancery bootstrap --help');
  const message = [`${synced.length} of ${proxies.length} in sync`, ...told].join('; ');
  if (told.length === 0) return ok('proxies', message);
  return (rejecting.length > 0 ? fail : warn)('proxies', message, 'chancery status');
}

function credentialsCheck({ proxies }: ControlStatus, nowMs: number): Check {
  const late = proxies.filter(({ credentialEndsMs }) => credentialEndsMs !== undefined);
  if (late.length === 0)
    return ok(
      'node credentials',
      'of each connected proxy that has one of ours, a quarter of its life or more is left',
    );
  const first = Math.min(...late.map(({ credentialEndsMs = nowMs }) => credentialEndsMs));
  const who = named(
    late.map(({ node }) => node),
    'proxy',
    'proxies',
  );
  return warn(
    'node credentials',
    `less than a quarter of its life is left to that of ${who}; the first ends ${minute(first)}`,
    'run `chancery renew` on these machines, and see why nothing does it there',
  );
}

function certificatesCheck({ certificatesHoldMs }: ControlStatus, { certificates }: TrustState, nowMs: number): Check {
  const check = 'certificates';
  const ended = certificates.filter(({ notAfterMs }) => notAfterMs <= nowMs);
  const late = certificates.filter(({ renewAtMs }) => renewAtMs + renewalGraceMs <= nowMs);
  const who = (list: typeof late): string =>
    named(
      list.map(({ node }) => node),
      'proxy',
      'proxies',
    );
  const next = 'see the log of the control plane for why it cannot sign; chancery certs list';
  if (ended.length > 0) return fail(check, `that of ${who(ended)} ended`, next);
  if (certificatesHoldMs === undefined) return ok(check, 'no proxy has one yet');
  const hold = `they hold until ${minute(certificatesHoldMs)} (${ago(certificatesHoldMs - nowMs)}) without a control plane`;
  if (late.length > 0) return warn(check, `that of ${who(late)} should have been renewed; ${hold}`, next);
  return ok(check, hold);
}

function rootCheck({ roots, rotation }: TrustState, nowMs: number): Check {
  const [root] = roots;
  if (root === undefined) return fail('root', 'there is none', 'see the log of the control plane');
  const until = `${root.keyId.slice(0, 10)} signs until ${day(root.notAfterMs)}`;
  if (root.notAfterMs <= nowMs) return fail('root', `${until}: it ended`, 'chancery certs rotate-root');
  const { phase = 'unknown', waitsFor, untilMs, sinceMs, how } = rotation ?? {};
  if (phase === 'unknown')
    return warn(
      'root',
      `${until}; how far a rotation is, is not known here yet`,
      'ask again in a moment; then see the log of the control plane',
    );
  if (phase !== 'steady' && phase !== 'elsewhere') {
    const waits =
      waitsFor === undefined
        ? ''
        : `, waits for ${waitsFor}${untilMs === undefined ? '' : ` until ${minute(untilMs)}`}`;
    const since = sinceMs === undefined ? '' : ` since ${minute(sinceMs)}`;
    const next =
      waitsFor === 'proxies'
        ? 'bring back the proxies that are offline, or chancery certs rotate-root --force'
        : 'nothing: it goes on by itself; chancery certs list';
    return warn('root', `${until}; a rotation is in phase ${phase}${since}${waits}`, next);
  }
  if (root.notAfterMs - nowMs < rootSoonMs)
    return warn(
      'root',
      `${until}, in ${ago(root.notAfterMs - nowMs)}`,
      how === undefined ? 'chancery certs rotate-root' : `it is rotated elsewhere: ${how}`,
    );
  return ok('root', `${until}; no rotation goes on${how === undefined ? '' : ` here: ${how}`}`);
}

function mtlsChecks({ withoutSidecar, services }: ControlStatus): readonly Check[] {
  if (withoutSidecar === undefined)
    return [
      warn(
        'mutual TLS',
        'none: no certificates are issued, traffic is in plaintext',
        'where that is not meant, start the control plane without --insecure, and have each proxy join',
      ),
    ];
  const own = services.flatMap(({ id, tls }) => (tls === undefined ? [] : [`${id}: ${tls}`]));
  const message = `${withoutSidecar.mtls}${own.length === 0 ? ' for every service' : `; modes of their own: ${named(own, 'service')}`}`;
  return [ok('mutual TLS', message), sidecarsCheck(withoutSidecar)];
}

function sidecarsCheck({ withheld, plaintext, some }: WithoutSidecar): Check {
  const check = 'sidecars';
  const who = some.join(', ');
  const next = 'put a sidecar beside each, or write `tls: none` in its Service';
  const reached = plaintext > 0 ? `${counted(plaintext, 'instance')} without one, reached in plaintext` : '';
  if (withheld > 0)
    return fail(
      check,
      `${counted(withheld, 'instance')} without one, withheld${reached === '' ? '' : `; ${reached}`}: ${who}`,
      next,
    );
  if (plaintext > 0) return warn(check, `${reached}: ${who}`, next);
  return ok(check, 'every instance has one');
}
