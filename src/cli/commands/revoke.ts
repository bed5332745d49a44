// `chancery revoke KIND ID`: a credential holds no more. Join tokens, which are none yet, are `chancery token revoke`'s.
// Invariant: what was revoked and what that does not reach is said; nothing of a secret is here.
import type { Command } from 'commander';
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
  const { io } = context;
  return withServer(
    command(
      'revoke <kind> <id>',
      `Have a credential and all that it was renewed to hold no more, and its streams end (kinds: ${revocableKinds.join(', ')})`,
      'chancery revoke token 48f2f209889d86ba61dda5231b6db840\nchancery revoke certificate 0e50de64ae0c8414b64adace3aae2020\nchancery revoke node web-1\nchancery revoke identity spiffe://mesh/svc/web',
    ),
  )
    .option('--only', 'this token or certificate, and not what was renewed from it')
    .option('--for <duration>', 'how long it is remembered (default: longer than any credential of ours lives)')
    .action(
      context.action(async (kind: string, id: string, options: Options) => {
        if (!(revocableKinds as readonly string[]).includes(kind))
          throw new AppError('CH1601', `"${kind}" is no kind of credential`, {
            hint: `Kinds are ${revocableKinds.join(', ')}; a join token that waits is revoked by \`chancery token revoke\`.`,
          });
        const forMs = options.for === undefined ? undefined : durationMs(options.for);
        if (options.for !== undefined && forMs === undefined)
          throw new AppError('CH1601', `--for "${options.for}" is no duration such as 24h`);
        // As OpenSSL and browsers print a serial.
        const plain = kind === 'certificate' ? id.replaceAll(':', '').toLowerCase() : id;
        const only = options.only === true ? { only: true } : {};
        const body = { kind, id: plain, ...only, ...(forMs === undefined ? {} : { days: forMs / dayMs }) };
        await createClient(io, options).send('POST', '/api/v1/trust/revocations', JSON.stringify(body));
        io.out(`${kind} ${plain} revoked\n`);
        io.err(
          'its streams end within a minute, it is not renewed, and nor does its family hold unless --only; what the proxy has already, it keeps until its certificate ends: see chancery certs list\n',
        );
        return exitCodes.fine;
      }),
    );
}
