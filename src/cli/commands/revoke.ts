// `chancery revoke KIND ID`, `chancery certs revoke SERIAL`: a credential holds no more. Join tokens, which are none yet, are `chancery token revoke`'s.
// Invariant: what was revoked, what that does not reach and whether anybody has it is said; nothing of a secret is here.
import type { Command } from 'commander';
import type { ControlStatus, ProxyStatus } from '../../control/contract.ts';
import { revocableKinds } from '../../model/revocable.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { durationMs } from '../table.ts';

interface Options {
  readonly for?: string;
  readonly only?: boolean;
  readonly server?: string;
  readonly tokenFile?: string;
}

const dayMs = 86_400_000;

export function revokeCommand(context: CommandContext): Command {
  return withOptions(
    command(
      'revoke <kind> <id>',
      `Have a credential and all that it was renewed to hold no more, and its streams end (kinds: ${revocableKinds.join(', ')})`,
      'chancery revoke token 48f2f209889d86ba61dda5231b6db840\nchancery revoke certificate 0e50de64ae0c8414b64adace3aae2020\nchancery revoke node web-1\nchancery revoke identity spiffe://mesh/svc/web',
    ),
  ).action(
    context.action((kind: string, id: string, options: Options) => {
      if (!(revocableKinds as readonly string[]).includes(kind))
        throw new AppError('CH1601', `"${kind}" is no kind of credential`, {
          hint: `Kinds are ${revocableKinds.join(', ')}; a join token that waits is revoked by \`chancery token revoke\`.`,
        });
      return revoke(context, { kind, id }, options);
    }),
  );
}

/** `chancery certs revoke`: the same for the certificate with which a node shows who it is. */
export function revokeCertificateCommand(context: CommandContext): Command {
  return withOptions(
    command(
      'revoke <serial>',
      'Have the certificate of a node, and all that it was renewed to, hold no more: `chancery revoke certificate`',
      'chancery certs revoke 0e50de64ae0c8414b64adace3aae2020',
    ),
  ).action(context.action((id: string, options: Options) => revoke(context, { kind: 'certificate', id }, options)));
}

function withOptions(of: Command): Command {
  return withServer(of)
    .option('--only', 'this token or certificate, and not what was renewed from it')
    .option('--for <duration>', 'how long it is remembered (default: longer than any credential of ours lives)');
}

async function revoke(
  { io }: CommandContext,
  { kind, id }: { readonly kind: string; readonly id: string },
  options: Options,
): Promise<number> {
  const forMs = options.for === undefined ? undefined : durationMs(options.for);
  if (options.for !== undefined && forMs === undefined)
    throw new AppError('CH1601', `--for "${options.for}" is no duration such as 24h`);
  // As OpenSSL and browsers print a serial.
  const plain = kind === 'certificate' ? id.replaceAll(':', '').toLowerCase() : id;
  const only = options.only === true ? { only: true } : {};
  const body = { kind, id: plain, ...only, ...(forMs === undefined ? {} : { days: forMs / dayMs }) };
  const client = createClient(io, options);
  await client.send('POST', '/api/v1/trust/revocations', JSON.stringify(body));
  io.out(`${kind} ${plain} revoked\n`);
  io.err(
    'its streams end within a minute, it is not renewed, and nor does its family hold unless --only; what the proxy has already, it keeps until its certificate ends: see chancery certs list\n',
  );
  // It is revoked, whatever can be said of who has it.
  const status = (await client.get('/api/v1/status').catch(() => undefined)) as ControlStatus | undefined;
  const doubt = status && doubtOf(kind, plain, status.proxies);
  if (doubt !== undefined) io.err(`${doubt}\n`);
  return exitCodes.fine;
}

/**
 * Any name can be revoked, also one that nobody has, and a credential that was made without `--node` is not reached by the name
 * of the node that shows it.
 */
function doubtOf(kind: string, id: string, proxies: readonly ProxyStatus[]): string | undefined {
  if (kind === 'node') {
    const named = proxies.find(({ node }) => node === id);
    if (named === undefined)
      return `no proxy of the name ${id} is known here: \`chancery status\` lists those that are`;
    const { credential } = named;
    return (
      credential &&
      `${id} shows ${credential.kind} ${credential.id}. One that was made without --node is not reached by the name of its node: if ${id} is still connected in a minute, run chancery revoke ${credential.kind} ${credential.id}`
    );
  }
  if (!['token', 'certificate', 'consul', 'oidc'].includes(kind)) return undefined;
  if (proxies.some(({ credential }) => credential?.kind === kind && credential.id === id)) return undefined;
  return `no proxy that is known here shows it: \`chancery status PROXY -o json\` says what a proxy shows, in \`credential\``;
}
