// `chancery status`: is every proxy in sync, and if not, what is in its way. First rung of finding a fault.
// Invariant: exit code 0 only when everything asked about is in sync.
import type { Command } from 'commander';
import type { ControlStatus, ProxyStatus, RefusalStatus, WithoutSidecar } from '../../control/contract.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { plainText } from '../plain-text.ts';
import { plaintextQuery } from '../plaintext-queries.ts';
import { asText } from '../print.ts';
import { ago, counted, durationMs, table } from '../table.ts';
import { neverConnected, showResources } from './resource-states.ts';

const columns = ['CDS', 'EDS', 'LDS', 'RDS', 'SDS'] as const;
const words = { none: '-', pending: 'wait', acked: 'ok', rejected: 'rej' } as const;
const pollMs = 100;
const defaultWait = '60s';

interface StatusOptions {
  readonly output: Format;
  readonly wait?: string | true;
  readonly resources?: boolean;
  readonly server?: string;
  readonly tokenFile?: string;
}

export function statusCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'status [proxy]',
      'Whether the proxies are in sync',
      'chancery status\nchancery status web-1 --wait 30s\nchancery status web-1 --resources',
    ),
  )
    .alias('ps')
    .option('--wait [duration]', `wait until in sync, at most this long (default ${defaultWait})`)
    .option('--resources', 'each resource of the proxy: what it has, waits for or refused')
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (proxy: string | undefined, options: StatusOptions) => {
        const waitMs = options.wait === undefined ? 0 : durationMs(options.wait === true ? defaultWait : options.wait);
        if (waitMs === undefined) throw new AppError('CH1601', `"${String(options.wait)}" is no duration such as 30s`);
        const client = createClient(io, options);
        if (options.resources === true) return await showResources(io, client, { proxy, output: options.output });
        const deadline = io.clock.now() + waitMs;
        for (;;) {
          const status = await client.get('/api/v1/status').catch((error: unknown) => {
            const retry = error instanceof AppError && error.retryable && io.clock.now() < deadline;
            if (retry) return undefined;
            throw error;
          });
          const shown = status === undefined ? undefined : only(status as ControlStatus, proxy);
          const synced = shown !== undefined && inSync(shown, waitMs > 0);
          const late = io.clock.now() >= deadline || io.signal.aborted;
          if (shown !== undefined && (synced || late)) {
            if (proxy !== undefined && shown.proxies.length === 0) throw neverConnected(proxy);
            io.out(options.output === 'table' ? statusText(shown, io.clock.wall()) : asText(shown, options.output));
            if (!synced && waitMs > 0) throw new AppError('CH1609', `not in sync after ${ago(waitMs)}`);
            return synced ? exitCodes.fine : exitCodes.failed;
          }
          await io.clock.sleep(pollMs, io.signal);
        }
      }),
    );
}

function only(status: ControlStatus, proxy: string | undefined): ControlStatus {
  return proxy === undefined ? status : { ...status, proxies: status.proxies.filter(({ node }) => node === proxy) };
}

/** Offline proxies are told, not waited for. With `someone`, at least one proxy must be there. */
function inSync({ ready, proxies }: ControlStatus, someone: boolean): boolean {
  const online = proxies.filter(({ state }) => state !== 'offline');
  return ready && online.every(({ state }) => state === 'synced') && (!someone || online.length > 0);
}

function row(proxy: ProxyStatus, nowMs: number): string[] {
  const state = proxy.state === 'rejecting' ? 'NACK' : proxy.state.toUpperCase();
  return [
    proxy.node,
    proxy.service,
    state,
    ...columns.map((type) => words[proxy.types[type]?.state ?? 'none']),
    proxy.state === 'offline' || proxy.revision > 0 ? String(proxy.revision) : '-',
    ago(nowMs - proxy.sinceMs),
    proxy.certificateEndsMs === undefined ? '-' : ago(proxy.certificateEndsMs - nowMs),
    [proxy.userAgent, proxy.envoyVersion].filter((text) => text !== undefined && text !== '').join(' '),
    proxy.note,
  ];
}

/** A refused resource, where it comes from, and the proxy's words on a line of their own. */
function refusalText(
  { type, name, proxies, nodes, sinceMs, provenance, message }: RefusalStatus,
  nowMs: number,
): string {
  const from = provenance.map(({ object, file, line, column }) => `${object} (${file}:${line}:${column})`);
  const who = [...nodes, ...(proxies > nodes.length ? [`${proxies - nodes.length} more`] : [])].join(', ');
  const words = plainText(message.trim().replace(/\s*\n\s*/g, ' '));
  const what = plainText(name);
  const next = words.includes('Address already in use')
    ? '  another program or proxy of that machine has the port: give one of them another (bootstrap --outbound, the Gateway, proxyPort)\n'
    : '';
  return `refused for ${ago(nowMs - sinceMs)}: ${type} ${what}${from.length === 0 ? '' : ` from ${[...new Set(from)].join(', ')}`} by ${counted(proxies, 'proxy', 'proxies')} (${plainText(who)})\n  ${words}\n${next}`;
}

/** Who is withheld, who would be, or what is known about the next step: callers outside of the mesh are not seen from here. */
function sidecarText({ mtls, withheld, plaintext, some }: WithoutSidecar): string {
  const number = withheld > 0 ? withheld : plaintext;
  const named = some.slice(0, number).map(plainText);
  const who = `${named.join(', ')}${number > named.length ? ` and ${number - named.length} more` : ''}`;
  if (withheld > 0) return `strict: ${counted(withheld, 'instance')} without a sidecar get no requests: ${who}\n`;
  if (plaintext > 0) return `strict is not safe: ${counted(plaintext, 'instance')} without a sidecar: ${who}\n`;
  if (mtls === 'strict') return '';
  if (mtls === 'off') return 'mtls is off; permissive is safe: it takes plaintext too. Every instance has a sidecar\n';
  return `mtls is ${mtls}; every instance has a sidecar. Who calls in plaintext is counted by the sidecars alone: ask with \`chancery check --prometheus URL\`; strict is safe where this stays 0:\n  ${plaintextQuery('1d')}\n`;
}

/** The table of proxies, a line that sums up, and what else stands in the way. */
export function statusText(status: ControlStatus, nowMs: number): string {
  const header = ['PROXY', 'SERVICE', 'STATE', ...columns, 'VERSION', 'SINCE', 'CERT', 'ENVOY', 'NOTE'];
  const count = (state: ProxyStatus['state']): number => status.proxies.filter((proxy) => proxy.state === state).length;
  const counts = (['synced', 'pending', 'rejecting', 'offline'] as const).flatMap((state) =>
    count(state) > 0 ? [`${count(state)} ${state}`] : [],
  );
  const sources = status.sources.map(
    ({ name, revision, degraded }) => `${name}@${revision}${degraded === undefined ? '' : ` (${degraded.reason})`}`,
  );
  const lines = [
    status.proxies.length === 0
      ? 'no proxy has connected\n'
      : table(
          header,
          status.proxies.map((proxy) => row(proxy, nowMs)),
        ),
    `${counted(status.proxies.length, 'proxy', 'proxies')}${counts.length > 0 ? `: ${counts.join(', ')}` : ''}    snapshot ${status.revision} from ${sources.join(' + ') || 'nothing yet'}\n`,
  ];
  if (!status.ready) lines.push(`not ready: waiting for ${status.waitingFor.join(', ')}\n`);
  for (const refusal of status.refusals) lines.push(refusalText(refusal, nowMs));
  for (const { source, reason } of status.held) lines.push(`held at last good: ${source} (${reason})\n`);
  if (status.withoutSidecar !== undefined) lines.push(sidecarText(status.withoutSidecar));
  if (status.certificatesHoldMs !== undefined)
    lines.push(`certificates hold for ${ago(status.certificatesHoldMs - nowMs)} without a control plane\n`);
  const errors = status.problems.filter(({ severity }) => severity === 'error').length;
  const warnings = status.problems.length - errors;
  if (status.problems.length > 0)
    lines.push(`${counted(errors, 'error')}, ${counted(warnings, 'warning')}: run chancery problems\n`);
  return lines.join('');
}
