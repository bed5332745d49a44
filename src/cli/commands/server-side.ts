// `watch`, `problems`, `version` and `log-level`: small questions to a running server.
// Invariant: `version` works without a server and says so.
import type { Command } from 'commander';
import type { ControlEvent } from '../../control/contract.ts';
import { type Problem, problemText } from '../../model/problem.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { plainText } from '../plain-text.ts';
import { asText } from '../print.ts';

interface Options {
  readonly output: 'text' | 'json' | 'yaml';
  readonly server?: string;
  readonly tokenFile?: string;
}

/** One event as a line for people. */
export function eventText(event: ControlEvent): string {
  switch (event.kind) {
    case 'world':
      return `world ${event.revision}: ${event.changes.join('; ') || 'no visible change'}`;
    case 'acked':
      return `${plainText(event.node)} acknowledged ${event.revision} after ${event.afterMs.toFixed(1)} ms`;
    case 'rejected':
      return `${plainText(event.rejection.node)} REFUSED ${event.rejection.type}: ${plainText(event.rejection.message)}`;
    case 'proxy':
      return `${plainText(event.node)} is ${event.state}`;
    case 'source':
      return `source ${event.state.name} at ${event.state.revision}${event.state.degraded === undefined ? '' : `: ${event.state.degraded.reason}`}`;
    case 'problem':
      return `${event.problem.severity} ${problemText(event.problem)}`;
  }
}

export function watchCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('watch', 'Print what changes, as it changes', 'chancery watch'))
    .addOption(formatOption(['text', 'json'], 'text'))
    .action(
      context.action(async (options: Options) => {
        for await (const event of createClient(io, options).events('/api/v1/events')) {
          if (options.output === 'json') io.out(`${JSON.stringify(event)}\n`);
          else io.out(`${new Date(io.clock.wall()).toISOString().slice(11, 23)} ${eventText(event as ControlEvent)}\n`);
        }
        if (!io.signal.aborted) throw new AppError('CH1606', 'the server ended the event stream', { retryable: true });
        return exitCodes.fine;
      }),
    );
}

export function problemsCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(command('problems', 'What is wrong in objects and registries', 'chancery problems'))
    .addOption(formatOption(['text', 'json', 'yaml'], 'text'))
    .action(
      context.action(async (options: Options) => {
        const problems = (await createClient(io, options).get('/api/v1/problems')) as readonly Problem[];
        if (options.output === 'text')
          io.out(
            problems.map((problem) => `${problem.severity} ${problemText(problem)}\n`).join('') ||
              'no problems in objects and registries; what a proxy refuses stands in `chancery status`\n',
          );
        else io.out(asText(problems, options.output));
        return problems.some(({ severity }) => severity === 'error') ? exitCodes.failed : exitCodes.fine;
      }),
    );
}

export function versionCommand(context: CommandContext): Command {
  const { io, version } = context;
  return withServer(command('version', 'Version of this program and of the server', 'chancery version'))
    .addOption(formatOption(['text', 'json', 'yaml'], 'text'))
    .action(
      context.action(async (options: Options) => {
        const client = createClient(io, options);
        const server = await client.get('/api/v1/version').then(
          (body) => (body as { version?: string }).version,
          (error: unknown) => {
            if (error instanceof AppError) return undefined;
            throw error;
          },
        );
        if (options.output === 'text') io.out(`client ${version}\nserver ${server ?? `none at ${client.server}`}\n`);
        else io.out(asText({ client: version, server: server ?? null }, options.output));
        return exitCodes.fine;
      }),
    );
}

export function logLevelCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'log-level [level] [component]',
      'Show or change the log level of the running server: debug, info, warn, error',
      'chancery log-level debug xds',
    ),
  ).action(
    context.action(async (level: string | undefined, component: string | undefined, options: Options) => {
      const client = createClient(io, options);
      const levels =
        level === undefined
          ? await client.get('/api/v1/log-level')
          : (
              await client.send(
                'PUT',
                '/api/v1/log-level',
                JSON.stringify({ level, ...(component === undefined ? {} : { component }) }),
              )
            ).body;
      io.out(asText(levels, 'yaml'));
      return exitCodes.fine;
    }),
  );
}
