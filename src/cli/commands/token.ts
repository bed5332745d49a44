// `chancery token create`, `list` and `revoke`: one-time tokens with which nodes get their first credential.
// Invariant: a token is printed once, alone on stdout; what is to be done with it stands on stderr.
import type { Command } from 'commander';
import type { JoinGrant } from '../../identity/join-grant.ts';
import { defaultNamespace, serviceId } from '../../model/names.ts';
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
  readonly service: readonly string[];
  readonly gateway: readonly string[];
  readonly node?: string;
  readonly ttl: string;
  readonly output: 'text' | 'json' | 'yaml';
}

const path = '/api/v1/trust/join-tokens';

const kept: KeptTokens<JoinGrant> = {
  under: 'token',
  path,
  list: {
    about: 'Tokens that nobody has used yet',
    none: 'no token waits to be used',
    header: ['TOKEN', 'SERVICES', 'GATEWAYS', 'NODE', 'LEFT'],
    row: ({ id, services, gateways, nodeId, expiresAtMs }, nowMs) => [
      id,
      services.join(',') || '-',
      gateways.join(',') || '-',
      nodeId ?? '-',
      ago(expiresAtMs - nowMs),
    ],
  },
  revoke: {
    argument: '<token>',
    about: 'Make a token worth nothing, by its id in the list',
    example: '5f2c...',
    whole: /^cj1\.([0-9a-f]{32})\./,
  },
};
const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function tokenCommand(context: CommandContext): Command {
  return command('token', 'Tokens with which nodes join', 'chancery token create --service web --ttl 10m')
    .addCommand(createCommand(context))
    .addCommand(listTokens(context, kept))
    .addCommand(revokeToken(context, kept));
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
