// `chancery certs`: the authorities, how one takes the place of another, and the certificates that proxies have now.
// It decides nothing. Invariant: nothing of a key is here.
import type { Command } from 'commander';
import type { ProxyCertificate } from '../../control/proxy-certificate.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';
import { ago, counted, table } from '../table.ts';
import { revokeCertificateCommand } from './revoke.ts';

interface Options {
  readonly output: Format;
  readonly server?: string;
  readonly tokenFile?: string;
}

interface Certificates {
  readonly generation: number;
  readonly roots: readonly { readonly keyId: string; readonly notAfterMs: number; readonly signs: boolean }[];
  readonly rotation?: RotationState;
  readonly certificates: readonly ProxyCertificate[];
}

interface RotationState {
  readonly phase: string;
  readonly sinceMs?: number;
  readonly waitsFor?: string;
  readonly untilMs?: number;
  readonly former?: number;
  readonly compromised?: boolean;
  /** Why the journal could not be read: the rest is as it was seen last. */
  readonly unread?: string;
  /** Who rotates the root, where it is not the control plane. */
  readonly how?: string;
}

interface Revoked {
  readonly kind: string;
  readonly id: string;
  readonly untilMs: number;
}

const path = '/api/v1/trust/certificates';
const revocations = '/api/v1/trust/revocations';
const date = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

export function certsCommand(context: CommandContext): Command {
  return command('certs', 'The authorities, and the certificates of proxies', 'chancery certs list')
    .addCommand(listCommand(context))
    .addCommand(showCommand(context))
    .addCommand(rotateCommand(context))
    .addCommand(taintCommand(context))
    .addCommand(revokeCertificateCommand(context));
}

function listCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command('list', 'Every certificate in use and how long it lives, and what was revoked', 'chancery certs list'),
  )
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Options) => {
        const client = createClient(io, options);
        const all = (await client.get(path)) as Certificates;
        const revoked = (await client.get(revocations)) as readonly Revoked[];
        if (options.output !== 'table') io.out(asText({ ...all, revoked }, options.output));
        else {
          const now = io.clock.wall();
          const rows = all.certificates.map(({ node, spiffeId, root, issuer, notAfterMs, renewAtMs }) => [
            ...[
              node,
              spiffeId,
              root.slice(0, 10),
              (issuer ?? '-').slice(0, 10),
              ago(notAfterMs - now),
              ago(renewAtMs - now),
            ],
          ]);
          if (rows.length > 0) io.out(table(['PROXY', 'IDENTITY', 'ROOT', 'ISSUER', 'LEFT', 'RENEWED IN'], rows));
          const roots = all.roots.map(
            ({ keyId, notAfterMs, signs }) =>
              `${keyId.slice(0, 10)}${signs ? ' (signs)' : ''} until ${date(notAfterMs)}`,
          );
          io.out(`${counted(rows.length, 'certificate')}    ${counted(roots.length, 'root')}: ${roots.join(', ')}\n`);
          if (all.rotation !== undefined && (all.rotation.phase !== 'steady' || all.rotation.unread !== undefined))
            io.out(`${rotationLine(all.rotation)}\n`);
          if (revoked.length > 0) {
            const lines = revoked.map(({ kind, id, untilMs }) => [kind, id, ago(untilMs - now)]);
            io.out(`\n${table(['REVOKED', 'CREDENTIAL', 'REMEMBERED FOR'], lines)}`);
          }
        }
        return exitCodes.fine;
      }),
    );
}

function rotationLine({
  phase,
  sinceMs,
  waitsFor,
  untilMs,
  former = 0,
  how,
  compromised,
  unread,
}: RotationState): string {
  const since = sinceMs === undefined ? '' : ` since ${date(sinceMs)}`;
  const until = untilMs === undefined ? '' : ` until ${date(untilMs)}`;
  const waits = waitsFor === undefined ? '' : `, waits for ${waitsFor}${until}`;
  const who = how === undefined ? '' : ` (${how})`;
  const left = former > 0 ? `, ${counted(former, 'certificate')} of a former root` : '';
  const why = compromised === true ? ' of a compromised root' : '';
  const stale = unread === undefined ? '' : `; as seen last, for the journal cannot be read now: ${unread}`;
  return `rotation: ${phase}${why}${who}${since}${waits}${left}${stale}`;
}

function rotateCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command('rotate-root', 'Have another root take the place of the one that signs', 'chancery certs rotate-root'),
  )
    .option('--force', 'wait for no proxy to be told: those that are not will refuse others until they are')
    .action(
      context.action(async (options: Omit<Options, 'output'> & { readonly force?: boolean }) => {
        const body = JSON.stringify({ force: options.force === true });
        await createClient(io, options).send('POST', '/api/v1/trust/rotation', body);
        io.out('the rotation goes on by itself; `chancery certs list` shows how far it is\n');
        return exitCodes.fine;
      }),
    );
}

function taintCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'taint <issuer>',
      'Replace at once what an intermediate signed, by its id or the start of it in the list; `root`: the root that signs, and let it go',
      'chancery certs taint 4f0c9e21b7\nchancery certs taint root',
    ),
  ).action(
    context.action(async (issuer: string, options: Omit<Options, 'output'>) => {
      const client = createClient(io, options);
      if (issuer === 'root') {
        await client.send('POST', '/api/v1/trust/rotation', JSON.stringify({ compromised: true }));
        io.out('the root is being replaced; `chancery certs list` shows how far it is\n');
        io.err(
          'proxies that are connected keep working until they connect anew: after a restart of theirs, or of the control plane. Have every node join again before that (chancery bootstrap NODE --join TOKEN --replace), but those whose `chancery renew` ran since the next root was made\n',
        );
        return exitCodes.fine;
      }
      const id = await issuerId(issuer, async () => ((await client.get(path)) as Certificates).certificates);
      await client.send('POST', revocations, JSON.stringify({ kind: 'issuer', id }));
      io.out(`issuer ${id} tainted\n`);
      io.err(
        'its replica takes another, certificates of proxies are replaced within half a minute, nodes that it certified have to join again. What somebody signs with its key is believed until it ends: if it was stolen, also run chancery certs taint root\n',
      );
      return exitCodes.fine;
    }),
  );
}

/** Whole, or the one in use that begins so. */
async function issuerId(given: string, certificates: () => Promise<readonly ProxyCertificate[]>): Promise<string> {
  const id = given.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{40}$/.test(id)) return id;
  const known = new Set((await certificates()).flatMap(({ issuer = '' }) => (issuer.startsWith(id) ? [issuer] : [])));
  const [found, ...more] = known;
  if (found !== undefined && found !== '' && more.length === 0 && id !== '') return found;
  throw new AppError(
    'CH1841',
    `"${given}" names ${known.size === 0 ? 'no' : 'more than one'} intermediate in use here`,
  );
}

function showCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('show <node>', 'The certificate of one proxy', 'chancery certs show web-1'))
    .addOption(formatOption(['yaml', 'json'], 'yaml'))
    .action(
      context.action(async (node: string, options: Options & { readonly output: 'yaml' | 'json' }) => {
        const { certificates } = (await createClient(io, options).get(path)) as Certificates;
        const own = certificates.filter((one) => one.node === node);
        if (own.length === 0)
          throw new AppError('CH1703', `proxy "${node}" has no certificate`, {
            hint: 'Run `chancery certs list` to see which have one.',
          });
        const shown = own.map(({ notAfterMs, renewAtMs, ...rest }) => ({
          ...rest,
          notAfter: new Date(notAfterMs).toISOString(),
          renewAt: new Date(renewAtMs).toISOString(),
        }));
        io.out(asText(shown.length === 1 ? shown[0] : shown, options.output));
        return exitCodes.fine;
      }),
    );
}
