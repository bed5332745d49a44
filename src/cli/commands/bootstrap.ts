// `chancery bootstrap NODE`: a complete Envoy bootstrap on stdout. It reads options; the document is translate's.
// Invariant: it needs no server, and no secret is inside what it prints.
import type { Command } from 'commander';
import { AppError } from '../../util/errors.ts';
import { type CommandContext, command, formatOption, hostPort } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';

interface Options {
  readonly service?: string;
  readonly gateway?: string;
  readonly instance?: string;
  readonly namespace?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly upstream: readonly string[];
  readonly outbound?: string;
  readonly stats: string;
  readonly admin: string;
  readonly xds: string;
  readonly xdsCa?: string;
  readonly xdsName?: string;
  readonly xdsCert?: string;
  readonly xdsKey?: string;
  readonly output: 'yaml' | 'json';
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function bootstrapCommand(context: CommandContext): Command {
  return command(
    'bootstrap <node>',
    'Print an Envoy bootstrap for one proxy',
    'chancery bootstrap edge-1 --gateway edge > envoy.yaml && envoy -c envoy.yaml\nchancery bootstrap web-1 --service web --upstream api=127.0.0.1:9091 > envoy.yaml',
  )
    .option('--service <name>', 'sidecar of an instance of this service')
    .option('--gateway <name>', 'edge proxy with the listeners of this Gateway (default: the node)')
    .option('--instance <id>', "the registry's id of the instance (default: the node)")
    .option('--namespace <namespace>', 'namespace of the service')
    .option('--region <region>', 'region where it runs')
    .option('--zone <zone>', 'zone where it runs')
    .option('--upstream <service=host:port>', 'a local listener for one service; repeatable', collect, [])
    .option('--outbound <host:port>', 'where the outbound listener binds (default 127.0.0.1:15001)')
    .option('--stats <host:port>', 'where Prometheus scrapes it', '127.0.0.1:9902')
    .option('--admin <host:port>', 'Envoy admin', '127.0.0.1:9901')
    .option('--xds <host:port>', 'the control plane', '127.0.0.1:18000')
    .option('--xds-ca <file>', 'TLS to it: PEM of the authority to trust, on the machine of the proxy')
    .option('--xds-name <name>', 'the name or address its certificate must have (default: the host of --xds)')
    .option('--xds-cert <file>', "PEM of the proxy's own certificate, where the control plane asks for one")
    .option('--xds-key <file>', 'PEM of its private key')
    .addOption(formatOption(['yaml', 'json'], 'yaml'))
    .action(
      context.action(async (node: string, options: Options) => {
        if (options.service !== undefined && options.gateway !== undefined)
          throw new AppError('CH1601', '--service and --gateway exclude each other');
        const { bootstrap } = await import('../../translate/bootstrap.ts');
        const document = bootstrap({ node, ...roleOf(node, options), ...common(options) });
        context.io.out(asText(document, options.output));
        return exitCodes.fine;
      }),
    );
}

function binding(option: string, text: string): { readonly address: string; readonly port: number } {
  const bound = hostPort(text);
  if (bound === undefined) throw new AppError('CH1601', `${option} "${text}" is not HOST:PORT`);
  return bound;
}

function upstream(text: string) {
  const [, service, at] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (service === undefined || at === undefined)
    throw new AppError('CH1601', `--upstream "${text}" is not SERVICE=HOST:PORT`);
  return { service, ...binding('--upstream', at) };
}

function roleOf(node: string, options: Options) {
  if (options.service === undefined) return { role: 'gateway', gateway: options.gateway ?? node } as const;
  return {
    role: 'sidecar',
    service: options.service,
    instance: options.instance ?? node,
    upstreams: options.upstream.map(upstream),
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options.outbound === undefined ? {} : { outbound: binding('--outbound', options.outbound) }),
  } as const;
}

function xdsTls({ xdsCa, xdsName, xdsCert, xdsKey }: Options) {
  if (xdsCa === undefined) {
    for (const [option, value] of Object.entries({ '--xds-name': xdsName, '--xds-cert': xdsCert, '--xds-key': xdsKey }))
      if (value !== undefined) throw new AppError('CH1601', `${option} says nothing without --xds-ca`);
    return {};
  }
  if ((xdsCert === undefined) !== (xdsKey === undefined))
    throw new AppError('CH1601', '--xds-cert and --xds-key go together');
  return {
    xdsTls: {
      caFile: xdsCa,
      ...(xdsName === undefined ? {} : { name: xdsName }),
      ...(xdsCert === undefined || xdsKey === undefined ? {} : { certificate: { certFile: xdsCert, keyFile: xdsKey } }),
    },
  };
}

function common(options: Options) {
  const { region = '', zone = '' } = options;
  return {
    stats: binding('--stats', options.stats),
    admin: binding('--admin', options.admin),
    xds: binding('--xds', options.xds),
    ...xdsTls(options),
    ...(region === '' && zone === '' ? {} : { locality: { region, zone } }),
  };
}
