// `lint`, `translate` and `schema`: what needs no server. Objects are parsed, merged and translated by the same code
// that serves. Invariant: exit code 65 exactly when an object has an error.
import type { Command } from 'commander';
import { type ServiceId, serviceId } from '../../model/names.ts';
import type { Problem } from '../../model/problem.ts';
import type { ObjectDocument, ObjectSnapshot } from '../../model/snapshot.ts';
import type { World } from '../../model/world.ts';
import { shortNames } from '../../resources/type-urls.ts';
import { defaultOutbound, type ProxyProfile } from '../../translate/profile.ts';
import { AppError } from '../../util/errors.ts';
import { type CommandContext, command, formatOption } from '../command.ts';
import { exitCodes, reportProblems } from '../exit.ts';
import type { Io } from '../io.ts';
import { asText } from '../print.ts';
import { counted } from '../table.ts';
import { readTexts } from '../texts.ts';

interface Offline {
  readonly world: World;
  readonly files: number;
}

/** The World of the objects under `path` alone, with no registry. */
async function worldOf(io: Io, path: string): Promise<Offline> {
  const { createWorldBuilder } = await import('../../model/next-world.ts');
  const texts = await readTexts(io, path);
  const documents = new Map(texts.map((one): [string, ObjectDocument] => [one.path, one]));
  const objects: ObjectSnapshot = { source: 'files', revision: '1', complete: true, documents };
  return { world: createWorldBuilder().next({ registries: [], objects: [objects] }), files: texts.length };
}

/** What translation says of the objects: to every gateway, to a sidecar, and to the sidecars of callers that rules name. */
async function translated(context: CommandContext, world: World): Promise<readonly Problem[]> {
  const [{ createTranslator }, { createProtos }] = await Promise.all([
    import('../../translate/translate.ts'),
    import('../../resources/protos.ts'),
  ]);
  const translator = createTranslator({ protos: createProtos(context.descriptorSet()) });
  const gateways = world.gateways.size > 0 ? [...world.gateways.keys()] : ['edge'];
  const callers = world.routes.flatMap(({ rules }) =>
    rules.flatMap(({ matches }) => matches.flatMap(({ from }) => from)),
  );
  // No service can have this name, so that it is a caller nobody asks for.
  const sidecars = [serviceId('', ''), ...new Set<ServiceId>(callers)];
  const profiles: ProxyProfile[] = [
    ...gateways.map((gateway): ProxyProfile => ({ role: 'gateway', gateway })),
    ...sidecars.map((service) => sidecar(service)),
  ];
  return profiles.flatMap((profile) => translator.view(world, profile).problems);
}

/** Each once, by place. */
function ordered(problems: readonly Problem[]): readonly Problem[] {
  const each = new Map(
    problems.map((problem) => [`${JSON.stringify(problem.at)} ${problem.code} ${problem.message}`, problem]),
  );
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...each.values()].sort(
    (a, b) =>
      order(a.at.file, b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column || order(a.code, b.code),
  );
}

export function lintCommand(context: CommandContext): Command {
  const { io } = context;
  return command(
    'lint <path>',
    'Check objects without a server',
    'chancery lint objects/\nchancery lint route.yaml -o json',
  )
    .addOption(formatOption(['text', 'json', 'yaml'], 'text'))
    .action(
      context.action(async (path: string, options: { output: string }) => {
        const { world, files } = await worldOf(io, path);
        const problems = ordered([...world.problems, ...(await translated(context, world))]);
        const errors = problems.filter(({ severity }) => severity === 'error').length;
        if (options.output !== 'text') io.out(asText(problems, options.output === 'json' ? 'json' : 'yaml'));
        else {
          reportProblems(io, problems);
          io.out(
            `${counted(files, 'file')}, ${counted(errors, 'error')}, ${counted(problems.length - errors, 'warning')}\n`,
          );
        }
        return errors > 0 ? exitCodes.invalid : exitCodes.fine;
      }),
    );
}

interface TranslateOptions {
  readonly filename: string;
  readonly gateway?: string;
  readonly service?: string;
  /** Names that a gRPC client dials. */
  readonly grpc?: readonly string[];
  readonly output: 'yaml' | 'json';
}

function profileOf({ gateway, service, grpc }: TranslateOptions, world: World): ProxyProfile {
  if (service === undefined)
    return grpc === undefined ? { role: 'gateway', gateway: gateway ?? 'edge' } : { role: 'proxyless' };
  const known = [...world.services.values()].find(({ id, name }) => id === service || name === service);
  if (known === undefined)
    throw new AppError('CH1601', `no object names a service "${service}"`, {
      hint: 'Name a service of the objects given by -f.',
    });
  return grpc === undefined ? sidecar(known.id) : { role: 'proxyless', service: known.id };
}

function sidecar(service: ServiceId): ProxyProfile {
  return { role: 'sidecar', service, inbound: [], outbound: defaultOutbound, upstreams: [] };
}

export function translateCommand(context: CommandContext): Command {
  const { io } = context;
  return command(
    'translate',
    'Print the Envoy configuration that objects make, without a server',
    'chancery translate -f objects/ --gateway edge\nchancery translate -f route.yaml --service web -o json\nchancery translate -f objects/ --grpc cart:8080',
  )
    .requiredOption('-f, --filename <path>', 'file, directory, or - for standard input')
    .option('--gateway <name>', 'as the edge proxy of this Gateway sees it (default)')
    .option('--service <name>', 'as a sidecar of this service sees it; with --grpc: whose calls they are')
    .option('--grpc <names...>', 'as a gRPC client without a proxy sees it that dials these names')
    .addOption(formatOption(['yaml', 'json'], 'yaml'))
    .action(
      context.action(async (options: TranslateOptions) => {
        const { world } = await worldOf(io, options.filename);
        const [{ createTranslator }, { createProtos }] = await Promise.all([
          import('../../translate/translate.ts'),
          import('../../resources/protos.ts'),
        ]);
        const protos = createProtos(context.descriptorSet());
        const translator = createTranslator({ protos });
        const { resources, onDemand, problems } = translator.view(world, profileOf(options, world));
        const asked = (options.grpc ?? []).flatMap((name) => onDemand?.get(name) ?? []);
        const shown: Record<string, unknown[]> = {};
        for (const [type, named] of resources)
          shown[shortNames[type]] = [...named.values(), ...asked.filter((resource) => resource.type === type)].map(
            (resource) => protos.decode(resource.type, resource.bytes, { protoNames: true }),
          );
        shown['EDS'] = [...translator.endpoints(world).values()].map((resource) =>
          protos.decode(resource.type, resource.bytes, { protoNames: true }),
        );
        io.out(asText(shown, options.output));
        reportProblems(io, ordered([...world.problems, ...problems]));
        return [...world.problems, ...problems].some(({ severity }) => severity === 'error')
          ? exitCodes.invalid
          : exitCodes.fine;
      }),
    );
}

export function schemaCommand(context: CommandContext): Command {
  return command(
    'schema [kind]',
    'Print the JSON Schema of one kind, of all, or of chancery.yaml (config)',
    'chancery schema Route\nchancery schema config',
  ).action(
    context.action(async (kind: string | undefined) => {
      if (kind?.toLowerCase() === 'config') {
        const { configJsonSchema } = await import('../../model/config.ts');
        context.io.out(asText(configJsonSchema(), 'json'));
        return exitCodes.fine;
      }
      const { jsonSchema } = await import('../../model/json-schema.ts');
      context.io.out(asText(jsonSchema(kind), 'json'));
      return exitCodes.fine;
    }),
  );
}
