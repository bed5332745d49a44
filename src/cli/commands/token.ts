// `chancery token create`, `list` and `revoke`: one-time tokens with which nodes get their first credential.
// Invariant: a token is printed once, alone on stdout; what is to be done with it stands on stderr.
import type { Command } from 'commander';
import type { JoinGrant } from '../../identity/join-grant.ts';
import { defaultNamespace, serviceId } from '../../model/names.ts';
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
  readonly service: readonly string[];
  readonly gateway: readonly string[];
  readonly node?: string;
  readonly ttl: string;
  readonly output: 'text' | 'json' | 'yaml';
}

const path = '/api/v1/trust/join-tokens';
const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function tokenCommand(context: CommandContext): Command {
  return command('token', 'Tokens with which nodes join', 'chancery token create --service web --ttl 10m')
    .addCommand(createCommand(context))
    .addCommand(listCommand(context))
    .addCommand(revokeCommand(context));
}

function createCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'create',
      'Make a token that one node can use once',
      'chancery token create --service web --ttl 10m\nchancery token create --gateway edge --node edge-1',
    ),
  )
    .option(
      '--service <name>',
      'the node may be a sidecar of this service, NAME or NAMESPACE/NAME; repeatable',
      collect,
      [],
    )
    .option('--gateway <name>', 'the node may be this gateway; repeatable', collect, [])
    .option('--node <id>', 'only as the node of this id')
    .option('--ttl <duration>', 'how long it can be used, at most 24h', '10m')
    .addOption(formatOption(['text', 'json', 'yaml'], 'text'))
    .action(
      context.action(async ({ service, gateway, node, ttl, output, ...options }: CreateOptions) => {
        if (service.length + gateway.length === 0)
          throw new AppError('CH1601', 'name what the node may be, by --service or --gateway');
        const ttlMs = durationMs(ttl);
        if (ttlMs === undefined) throw new AppError('CH1601', `--ttl "${ttl}" is no duration such as 10m or 1h`);
        const body = {
          services: service.map(idOf),
          gateways: gateway,
          ...(node === undefined ? {} : { node }),
          ttlSeconds: ttlMs / 1000,
        };
        const client = createClient(io, options);
        const made = (await client.send('POST', path, JSON.stringify(body))).body as { readonly token: string };
        if (output !== 'text') io.out(asText(made, output));
        else {
          io.out(`${made.token}\n`);
          const [one] = service;
          const role = one === undefined ? `--gateway ${gateway[0]}` : `--service ${one}`;
          io.err(
            `good once, for ${ttl}. On the node:\n  chancery bootstrap ${node ?? 'NODE'} ${role} --join ${made.token} --xds HOST:18000 > envoy.yaml\n`,
          );
        }
        return exitCodes.fine;
      }),
    );
}

function idOf(name: string): string {
  const [first = '', second] = name.split('/', 2);
  return second === undefined ? serviceId(defaultNamespace, first) : serviceId(first, second);
}

function listCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('list', 'Tokens that nobody has used yet', 'chancery token list'))
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Options & { readonly output: Format }) => {
        const grants = (await createClient(io, options).get(path)) as readonly JoinGrant[];
        if (options.output !== 'table') io.out(asText(grants, options.output));
        else if (grants.length === 0) io.out('no token waits to be used\n');
        else
          io.out(
            table(
              ['TOKEN', 'SERVICES', 'GATEWAYS', 'NODE', 'LEFT'],
              grants.map(({ id, services, gateways, nodeId, expiresAtMs }) => [
                id,
                services.join(',') || '-',
                gateways.join(',') || '-',
                nodeId ?? '-',
                ago(expiresAtMs - io.clock.wall()),
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
    command('revoke <token>', 'Make a token worth nothing, by its id in the list', 'chancery token revoke 5f2c...'),
  ).action(
    context.action(async (token: string, options: Options) => {
      // Who has the token itself at hand may give that; only its id leaves this machine.
      const id = /^cj1\.([0-9a-f]{32})\./.exec(token)?.[1] ?? token;
      await createClient(io, options).send('DELETE', `${path}/${encodeURIComponent(id)}`);
      io.out(`token ${id} revoked\n`);
      return exitCodes.fine;
    }),
  );
}
