// `chancery bootstrap NODE`: a complete bootstrap of an Envoy, or of a gRPC library, on stdout. It reads options; the
// document is translate's.
// Invariant: but for --join it needs no server, no secret is inside what it prints, and it is in plaintext only where that
// was said.
import type { Command } from 'commander';
import { defaultNamespace, serviceId } from '../../model/names.ts';
import type { BootstrapOptions } from '../../translate/bootstrap.ts';
import { defaultOutbound } from '../../translate/profile.ts';
import { AppError } from '../../util/errors.ts';
import { type HostPort, hostPort } from '../../util/host-port.ts';
import { grpcCredential, noCredential, xdsCredential } from '../bootstrap-credential.ts';
import { type CommandContext, command, formatOption } from '../command.ts';
import { saysInsecure } from '../configuration.ts';
import { exitCodes } from '../exit.ts';
import type { Credential, JoinOptions } from '../join.ts';
import { asText } from '../print.ts';

interface Options extends JoinOptions {
  readonly service?: string;
  readonly gateway?: string;
  readonly grpc?: boolean;
  readonly instance?: string;
  readonly namespace?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly upstream: readonly string[];
  readonly outbound?: string;
  readonly stats: string;
  readonly admin: string;
  /** Absent: as the credential has it, else the default. */
  readonly xds?: string;
  readonly xdsCert?: string;
  readonly xdsKey?: string;
  readonly xdsToken?: string;
  readonly loadReports?: boolean;
  readonly rest?: boolean;
  readonly insecure?: boolean;
  readonly output: 'yaml' | 'json';
}

const defaultXds = '127.0.0.1:18000';
const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function bootstrapCommand(context: CommandContext): Command {
  return command(
    'bootstrap <node>',
    'Print the bootstrap of one Envoy, or of one program with a gRPC library',
    'chancery bootstrap edge-1 --gateway edge --join "$(chancery token create --gateway edge)" > envoy.yaml\nchancery bootstrap web-1 --service web --join cj1... --xds chancery.internal:18000 > envoy.yaml\nchancery bootstrap web-1 --credentials credentials/web-1 --upstream api=127.0.0.1:9091 > envoy.yaml\nchancery bootstrap shop-1 --grpc --service shop --join cj1... --certificate > grpc.json\nchancery bootstrap edge-1 --gateway edge --insecure > envoy.yaml',
  )
    .option('--service <name>', 'sidecar of an instance of this service')
    .option('--gateway <name>', 'edge proxy with the listeners of this Gateway (default: the node)')
    .option(
      '--grpc',
      'for a gRPC library without a proxy: JSON for GRPC_XDS_BOOTSTRAP; --service says whose calls they are',
    )
    .option('--instance <id>', "the registry's id of the instance (default: the node)")
    .option('--namespace <namespace>', 'namespace of the service')
    .option('--region <region>', 'region where it runs')
    .option('--zone <zone>', 'zone where it runs')
    .option('--upstream <service=host:port>', 'a local listener for one service; repeatable', collect, [])
    .option(
      '--outbound <host:port>',
      `where the outbound listener binds (default ${defaultOutbound.address}:${defaultOutbound.port})`,
    )
    .option('--stats <host:port>', 'where Prometheus scrapes it', '127.0.0.1:9902')
    .option('--admin <host:port>', 'Envoy admin', '127.0.0.1:9901')
    .option('--xds <host:port>', `the control plane (default: of --credentials, else ${defaultXds})`)
    .option('--xds-ca <file>', 'TLS to it: PEM of the authority to trust, on the machine of the proxy')
    .option('--xds-name <name>', 'the name or address its certificate must have (default: the host of --xds)')
    .option('--xds-cert <file>', "PEM of the proxy's own certificate, where the control plane asks for one")
    .option('--xds-key <file>', 'PEM of its private key')
    .option('--xds-token <file>', 'a file that says which token to send, as --join writes it; Envoy reads it again')
    .option('--join <token>', 'get a credential with a token of `chancery token create`, and name its files')
    .option('--credentials <folder>', 'where the credential lies, or is to lie (with --join default credentials/NODE)')
    .option('--certificate', 'with --join: a client certificate instead of a token; its key stays on this machine')
    .option('--server <url>', 'with --join: where to ask (default https:// and the address of --xds)')
    .option('--replace', 'with --join: overwrite a credential that is in the folder')
    .option('--insecure', 'no credential and no TLS: for a control plane that was started with --insecure')
    .option('--load-reports', 'report the load of each cluster to the control plane every 10 s (chancery load)')
    .option('--rest', 'poll over HTTP/1.1 instead of a gRPC stream, where nothing lets a stream through')
    .addOption(formatOption(['yaml', 'json'], 'yaml'))
    .action(
      context.action(async (node: string, options: Options) => {
        if (options.service !== undefined && options.gateway !== undefined)
          throw new AppError('CH1601', '--service and --gateway exclude each other');
        if (options.rest === true && options.loadReports === true)
          throw new AppError('CH1601', '--load-reports needs a stream, which --rest has not');
        if (options.rest === true && (options.join !== undefined || options.credentials !== undefined))
          throw new AppError(
            'CH1601',
            '--rest and a credential exclude each other: polls are never given secrets, so that this proxy would wait for its certificate for ever. Where no certificate is wanted, name the files: --xds-ca and --xds-token',
          );
        // Everything else that was typed is looked at before a token is used.
        const checked = options.grpc === true ? grpcOptions(options) : { ...roleOf(node, options), ...common(options) };
        options.upstream.map(upstream);
        checkSecurity(context, node, options);
        const credential = await credentialFor(context, node, options);
        const xds = credentialXds(context, options, credential);
        if (!('role' in checked)) {
          const { grpcBootstrap } = await import('../../translate/proxyless/bootstrap.ts');
          const document = grpcBootstrap({ node, ...checked, ...xds, ...(credential && grpcCredential(credential)) });
          context.io.out(asText(document, 'json'));
          return exitCodes.fine;
        }
        const role = roleOf(node, options, credential);
        if (credential !== undefined) for (const text of doubts(node, role, credential, options)) context.io.err(text);
        for (const text of await portsInUse(context, options, role.role)) context.io.err(text);
        const { bootstrap } = await import('../../translate/bootstrap.ts');
        const document = bootstrap({
          ...{ node, ...role, ...common(options), ...xds },
          ...(credential && xdsCredential(credential)),
        });
        context.io.out(asText(document, options.output));
        return exitCodes.fine;
      }),
    );
}

/** Throws CH1860 with what to type where neither TLS nor plaintext was asked for, CH1601 where both were. */
function checkSecurity({ io }: CommandContext, node: string, options: Options): void {
  const { insecure = false, join, credentials, xdsCa, certificate, replace, server } = options;
  const [secure] = Object.entries({ '--join': join, '--credentials': credentials, '--xds-ca': xdsCa }).flatMap(
    ([option, value]) => (value === undefined ? [] : [option]),
  );
  if (insecure && secure !== undefined) throw new AppError('CH1601', `--insecure and ${secure} exclude each other`);
  if (insecure || secure !== undefined) return;
  // These are told by themselves what they lack.
  if ([certificate, replace, server].some((value) => value !== undefined)) return;
  if (!saysInsecure(io)) throw noCredential(node, { ...options, xds: options.xds ?? defaultXds });
}

function binding(option: string, text: string): HostPort {
  const bound = hostPort(text, '127.0.0.1');
  if (bound === undefined) throw new AppError('CH1601', `${option} "${text}" is not HOST:PORT`);
  return bound;
}

function upstream(text: string) {
  const [, service, at] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (service === undefined || at === undefined)
    throw new AppError('CH1601', `--upstream "${text}" is not SERVICE=HOST:PORT`);
  return { service, ...binding('--upstream', at) };
}

async function credentialFor({ io }: CommandContext, node: string, options: Options): Promise<Credential | undefined> {
  if (options.join === undefined && options.credentials === undefined) {
    const { server, certificate, replace } = options;
    if ([server, certificate, replace].every((value) => value === undefined)) return undefined;
  }
  for (const [option, value] of Object.entries({
    '--xds-token': options.xdsToken,
    '--xds-cert': options.xdsCert,
    '--xds-key': options.xdsKey,
  }))
    if (value !== undefined)
      throw new AppError('CH1601', `${option} is not for a credential of --join or --credentials`);
  const { credentialOf } = await import('../join.ts');
  return credentialOf(io, node, { ...options, xds: binding('--xds', options.xds ?? defaultXds) });
}

/** Where the control plane is, as a credential that was there says; told, since nobody typed it. Nothing where --xds says so. */
function credentialXds({ io }: CommandContext, { join, xds }: Options, credential: Credential | undefined) {
  const said = credential?.record.xds;
  if (said === undefined || join !== undefined || xds !== undefined) return {};
  if (said !== defaultXds) io.err(`control plane: ${said}, as the credential says; --xds names another\n`);
  return { xds: binding('the address in credential.json', said) };
}

/**
 * What this proxy is to listen on and something here listens on already. Two proxies of one machine may share it without an
 * error, and then take each other's requests. Where the proxy is for another machine nothing is known.
 */
async function portsInUse(
  { io }: CommandContext,
  { outbound, stats, admin, upstream: upstreams }: Options,
  role: 'sidecar' | 'gateway',
): Promise<readonly string[]> {
  const own: readonly (readonly [string, HostPort])[] = [
    ['--admin', binding('--admin', admin)],
    ['--stats', binding('--stats', stats)],
    ...(role === 'gateway'
      ? []
      : ([['--outbound', outbound === undefined ? defaultOutbound : binding('--outbound', outbound)]] as const)),
    ...(role === 'gateway' ? [] : upstreams.map((text) => ['--upstream', upstream(text)] as const)),
  ];
  const used = await Promise.all(
    own.map(async ([option, at]) => ((await io.portInUse(at)) ? [[option, at] as const] : [])),
  );
  return used
    .flat()
    .map(
      ([option, { address, port }]) =>
        `warning: ${address}:${port} is in use on this machine; unless that is this proxy, give it another by ${option}\n`,
    );
}

/** A proxy is what it was told to be, else the one thing that its credential lets it be. */
function roleOf(node: string, options: Options, credential?: Credential) {
  const { services = [], gateways = [] } = credential?.record.principal ?? {};
  if (options.service !== undefined || options.gateway !== undefined || services.length + gateways.length !== 1)
    return roleNamed(node, options);
  const [service] = services;
  const [gateway] = gateways;
  return roleNamed(node, {
    ...options,
    ...(service === undefined ? {} : { service }),
    ...(gateway === undefined ? {} : { gateway }),
  });
}

/** What will be refused, or not be there, whatever the control plane says later; the document is right all the same. */
function doubts(
  node: string,
  role: ReturnType<typeof roleOf>,
  { record: { principal } }: Credential,
  { namespace = defaultNamespace }: Options,
): readonly string[] {
  const name = role.role === 'gateway' ? role.gateway : idOf(role.service, namespace);
  const owned = role.role === 'gateway' ? principal.gateways : principal.services;
  const all = [...principal.services, ...principal.gateways].join(', ');
  const found: string[] = [];
  if (!owned.includes(name))
    found.push(
      `the credential is for ${all}, not for ${role.role === 'gateway' ? 'gateway' : 'service'} ${name}: its streams are refused`,
    );
  if (principal.nodeId !== undefined && principal.nodeId !== node)
    found.push(`the credential is for node ${principal.nodeId}, not for ${node}: its streams are refused`);
  return found.map((text) => `warning: ${text}\n`);
}

/** As the control plane reads it: a name, `namespace/name`, or an id. */
function idOf(service: string, namespace: string): string {
  const [first = '', second] = service.split(/[/|]/, 2);
  return second === undefined ? serviceId(namespace, first) : serviceId(first, second);
}

function roleNamed(node: string, options: Options) {
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

function xdsTls({ xdsCa, xdsName, xdsCert, xdsKey, xdsToken }: Options): Pick<BootstrapOptions, 'xdsTls' | 'xdsToken'> {
  if (xdsCa === undefined) {
    for (const [option, value] of Object.entries({
      '--xds-name': xdsName,
      '--xds-cert': xdsCert,
      '--xds-key': xdsKey,
      '--xds-token': xdsToken,
    }))
      if (value !== undefined) throw new AppError('CH1601', `${option} says nothing without --xds-ca`);
    return {};
  }
  if ((xdsCert === undefined) !== (xdsKey === undefined))
    throw new AppError('CH1601', '--xds-cert and --xds-key go together');
  return {
    ...(xdsToken === undefined ? {} : { xdsToken: { tokenFile: xdsToken } }),
    xdsTls: {
      caFile: xdsCa,
      ...(xdsName === undefined ? {} : { name: xdsName }),
      ...(xdsCert === undefined || xdsKey === undefined ? {} : { certificate: { certFile: xdsCert, keyFile: xdsKey } }),
    },
  };
}

/** What an Envoy has and a gRPC library has not is refused, where somebody asked for it. */
function grpcOptions(options: Options) {
  const { gateway, outbound, upstream: upstreams, instance, xdsName, service, namespace } = options;
  for (const [option, value] of Object.entries({
    '--rest': options.rest,
    '--load-reports': options.loadReports,
    '--gateway': gateway,
    '--outbound': outbound,
    '--upstream': upstreams[0],
    '--instance': instance,
    '--xds-name': xdsName,
    '--xds-token': options.xdsToken,
  }))
    if (value !== undefined) throw new AppError('CH1601', `${option} is not for --grpc`);
  const { xds, locality, ...tls } = common(options);
  return {
    xds,
    ...(tls.xdsTls === undefined ? {} : { xdsTls: tls.xdsTls }),
    ...(locality === undefined ? {} : { locality }),
    ...(service === undefined ? {} : { service }),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

function common(options: Options) {
  const { region = '', zone = '', loadReports = false } = options;
  return {
    stats: binding('--stats', options.stats),
    admin: binding('--admin', options.admin),
    loadReports,
    ...(options.rest === true ? { variant: 'rest' as const } : {}),
    xds: binding('--xds', options.xds ?? defaultXds),
    ...xdsTls(options),
    ...(region === '' && zone === '' ? {} : { locality: { region, zone } }),
  };
}
