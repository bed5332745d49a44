// `chancery access create`, `list` and `revoke`: tokens of the HTTP API with a name, a role and an end.
// Invariant: a token is printed once, alone on stdout; what is to be done with it stands on stderr.
import { type Command, Option } from 'commander';
import type { AccessToken } from '../../identity/access-token.ts';
import { type Role, roles } from '../../model/access.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';
import { ago, durationMs, table } from '../table.ts';

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

export function accessCommand(context: CommandContext): Command {
  return command(
    'access',
    'Tokens of the HTTP API: reader, editor, operator',
    'chancery access create --role reader --name grafana --ttl 90d',
  )
    .addCommand(createCommand(context))
    .addCommand(listCommand(context))
    .addCommand(revokeCommand(context));
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

function listCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('list', 'Tokens that hold, without their secret', 'chancery access list'))
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Options & { readonly output: Format }) => {
        const tokens = (await createClient(io, options).get(path)) as readonly AccessToken[];
        if (options.output !== 'table') io.out(asText(tokens, options.output));
        else if (tokens.length === 0) io.out('there is no token beside the one in the token file of the server\n');
        else
          io.out(
            table(
              ['NAME', 'ROLE', 'LEFT', 'MADE BY', 'AGE'],
              tokens.map(({ name, role, expiresAtMs, createdBy, createdAtMs }) => [
                ...[name, role, ago(expiresAtMs - io.clock.wall())],
                ...[createdBy, ago(io.clock.wall() - createdAtMs)],
              ]),
            ),
          );
        return exitCodes.fine;
      }),
    );
}

function revokeCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'revoke <name>',
      'Have a token hold no more, at once and on every replica',
      'chancery access revoke grafana',
    ),
  ).action(
    context.action(async (given: string, options: Options) => {
      // Who has the token itself at hand may give that; only its name leaves this machine.
      const name = /^ca1\.([a-z0-9_-]+)\./.exec(given)?.[1] ?? given;
      await createClient(io, options).send('DELETE', `${path}/${encodeURIComponent(name)}`);
      io.out(`token ${name} revoked\n`);
      return exitCodes.fine;
    }),
  );
}
