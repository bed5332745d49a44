// `chancery access create`, `list` and `revoke`: tokens of the HTTP API with a name, a role and an end.
// Invariant: a token is printed once, alone on stdout; what is to be done with it stands on stderr.
import { type Command, Option } from 'commander';
import type { AccessToken } from '../../identity/access-token.ts';
import { type Role, roles } from '../../model/access.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';
import { ago, durationMs } from '../table.ts';
import { type KeptTokens, listTokens, revokeToken } from './kept-tokens.ts';

interface Options {
  readonly server?: string;
  readonly tokenFile?: string;
}

interface CreateOptions extends Options {
  readonly name: string;
  readonly role: Role;
  readonly ttl: string;
  readonly output: 'text' | 'json' | 'yaml';
}

const path = '/api/v1/access-tokens';

const kept: KeptTokens<AccessToken> = {
  under: 'access',
  path,
  list: {
    about: 'Tokens that hold, without their secret',
    none: 'there is no token beside the one in the token file of the server',
    header: ['NAME', 'ROLE', 'LEFT', 'MADE BY', 'AGE'],
    row: ({ name, role, expiresAtMs, createdBy, createdAtMs }, nowMs) => [
      name,
      role,
      ago(expiresAtMs - nowMs),
      createdBy,
      ago(nowMs - createdAtMs),
    ],
  },
  revoke: {
    argument: '<name>',
    about: 'Have a token hold no more, at once and on every replica',
    example: 'grafana',
    whole: /^ca1\.([a-z0-9_-]+)\./,
  },
};

export function accessCommand(context: CommandContext): Command {
  return command(
    'access',
    'Tokens of the HTTP API: reader, editor, operator',
    'chancery access create --role reader --name grafana --ttl 90d',
  )
    .addCommand(createCommand(context))
    .addCommand(listTokens(context, kept))
    .addCommand(revokeToken(context, kept));
}

function createCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'create',
      'Make a token: a reader sees status and objects, an editor changes objects, an operator does everything',
      'chancery access create --role reader --name grafana --ttl 90d > grafana.token\nchancery access create --role editor --name ci --ttl 30d',
    ),
  )
    .requiredOption('--name <name>', 'what lists and the audit log call it')
    .addOption(new Option('--role <role>', 'what it may do').choices([...roles]).makeOptionMandatory())
    .option('--ttl <duration>', 'how long it holds, at most ten years', '90d')
    .addOption(formatOption(['text', 'json', 'yaml'], 'text'))
    .action(
      context.action(async ({ name, role, ttl, output, ...options }: CreateOptions) => {
        const ttlMs = durationMs(ttl);
        if (ttlMs === undefined) throw new AppError('CH1601', `--ttl "${ttl}" is no duration such as 12h or 90d`);
        const body = JSON.stringify({ name, role, ttlSeconds: ttlMs / 1000 });
        const made = (await createClient(io, options).send('POST', path, body)).body as { readonly token: string };
        if (output !== 'text') io.out(asText(made, output));
        else {
          io.out(`${made.token}\n`);
          io.err(
            `a ${role}, for ${ttl}; it is not shown again. Use it as CHANCERY_TOKEN, or in a file that --token-file names.\n`,
          );
        }
        return exitCodes.fine;
      }),
    );
}
