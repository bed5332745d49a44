// `apply`, `get` and `delete`: objects through the server's API, into its object store.
// Validation is the server's. Invariant: exit code 65 when any object was refused.
import type { Command } from 'commander';
import type { ApplyResult, StoredObject } from '../../control/contract.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes, reportProblems } from '../exit.ts';
import { asText } from '../print.ts';
import { table } from '../table.ts';
import { readTexts } from '../texts.ts';

interface Options {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly output: Format;
  readonly namespace: string;
}

interface ApplyOptions extends Options {
  readonly filename: string;
  readonly atomic?: boolean;
  readonly dryRun?: boolean;
}

export function applyCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'apply',
      'Create or change objects',
      'chancery apply -f route.yaml\nchancery apply -f objects/ --atomic --dry-run',
    ),
  )
    .requiredOption('-f, --filename <path>', 'file, directory, or - for standard input')
    .option('--atomic', 'all objects or none')
    .option('--dry-run', 'only say what would happen')
    .action(
      context.action(async (options: ApplyOptions) => {
        const client = createClient(io, options);
        const texts = await readTexts(io, options.filename);
        // One request, so that --atomic and references between files hold over all of them.
        const body =
          texts.length === 1
            ? (texts[0]?.text ?? '')
            : texts.map(({ path, text }) => `# ${path}\n${text}`).join('\n---\n');
        const query = new URLSearchParams({
          file: options.filename === '-' ? 'stdin' : options.filename,
          atomic: String(options.atomic === true),
          dryRun: String(options.dryRun === true),
        });
        const answer = await client.send('POST', `/api/v1/objects?${query}`, body);
        const { objects, problems } = answer.body as ApplyResult;
        for (const { object, result } of objects)
          io.out(`${object} ${result}${options.dryRun === true ? ' (dry run)' : ''}\n`);
        reportProblems(io, problems);
        return answer.status < 400 ? exitCodes.fine : exitCodes.invalid;
      }),
    );
}

export function getCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'get <kind> [name]',
      'Show objects: services, routes, gateways, meshes, authorizations, certificates',
      'chancery get routes\nchancery get Route shop -o yaml',
    ),
  )
    .option('-n, --namespace <namespace>', 'only this namespace')
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (kind: string, name: string | undefined, options: Options & { namespace?: string }) => {
        const query = new URLSearchParams({
          kind,
          ...(name === undefined ? {} : { name }),
          ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
        });
        const found = (await createClient(io, options).get(`/api/v1/objects?${query}`)) as readonly StoredObject[];
        if (name !== undefined && found.length === 0) throw new AppError('CH1616', `${kind} "${name}" is not there`);
        if (options.output === 'yaml') io.out(found.map(({ text }) => text.replace(/\n*$/, '\n')).join('---\n'));
        else if (options.output === 'json') io.out(asText(found, 'json'));
        else
          io.out(
            found.length === 0
              ? `no ${kind} among the objects\n`
              : table(
                  ['KIND', 'API', 'NAMESPACE', 'NAME', 'FROM'],
                  found.map((object) => [
                    object.kind,
                    object.apiVersion,
                    object.namespace,
                    object.name,
                    `${object.provenance.file}:${object.provenance.line} (${object.provenance.source})`,
                  ]),
                ),
          );
        return exitCodes.fine;
      }),
    );
}

export function deleteCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('delete <kind> <name>', 'Delete one object', 'chancery delete Route shop'))
    .option('-n, --namespace <namespace>', 'its namespace', 'default')
    .action(
      context.action(async (kind: string, name: string, options: Options) => {
        const path = `/api/v1/objects/${encodeURIComponent(kind)}/${encodeURIComponent(name)}?namespace=${encodeURIComponent(options.namespace)}`;
        const answer = await createClient(io, options).send('DELETE', path);
        const { objects, problems } = answer.body as ApplyResult;
        for (const { object, result } of objects) io.out(`${object} ${result}\n`);
        reportProblems(io, problems);
        return answer.status < 400 ? exitCodes.fine : exitCodes.invalid;
      }),
    );
}
