// The command line: which commands there are. It parses, dispatches, and turns every outcome into an exit code.
// It must not know how a command works. Invariant: usage errors are CH1601 with exit code 64 and, for slips, a suggestion.
import { Command, CommanderError } from 'commander';
import { AppError } from '../util/errors.ts';
import { didYouMean } from '../util/near-miss.ts';
import type { CommandContext } from './command.ts';
import { accessCommand } from './commands/access.ts';
import { bootstrapCommand } from './commands/bootstrap.ts';
import { certsCommand } from './commands/certs.ts';
import { checkCommand } from './commands/check.ts';
import { completionCommand } from './commands/completion.ts';
import { demoCommand } from './commands/demo.ts';
import { loadCommand } from './commands/load.ts';
import { applyCommand, deleteCommand, getCommand } from './commands/objects.ts';
import { lintCommand, schemaCommand, translateCommand } from './commands/offline.ts';
import { renewCommand } from './commands/renew.ts';
import { revokeCommand } from './commands/revoke.ts';
import { configCommand, serveCommand } from './commands/serve.ts';
import { logLevelCommand, problemsCommand, versionCommand, watchCommand } from './commands/server-side.ts';
import { statusCommand } from './commands/status.ts';
import { tokenCommand } from './commands/token.ts';
import { exitCodes, exitHelp, reportFailure } from './exit.ts';
import type { CliDeps } from './io.ts';

/** The tree of commands; `result` receives the exit code of the one that ran. */
export function createProgram(deps: CliDeps, result: (code: number) => void): Command {
  const context: CommandContext = {
    ...deps,
    action:
      (run) =>
      async (...args) =>
        result(await run(...args)),
  };
  const program: Command = new Command('chancery')
    .description('Control plane for Envoy: services from Consul, etcd, files or DNS, Routes from YAML')
    .version(deps.version, '-V, --version')
    .addHelpText('after', `\nExample:\n  $ chancery demo\n\n${exitHelp}`)
    .action(() => {
      const [unknown] = program.args;
      if (unknown === undefined) return program.outputHelp();
      if (unknown.startsWith('-'))
        throw new AppError('CH1601', `unknown option '${unknown}'`, { hint: 'Run chancery --help to see them all.' });
      const known = program.commands.flatMap((one) => [one.name(), ...one.aliases()]);
      throw new AppError('CH1601', `there is no command "${unknown}"`, {
        hint: `Run chancery --help to see them all.${didYouMean(unknown, known)}`,
      });
    })
    // A misspelt command comes with options of the one that was meant.
    .allowUnknownOption(true)
    .allowExcessArguments(true);
  const commands = [
    demoCommand,
    serveCommand,
    tokenCommand,
    accessCommand,
    bootstrapCommand,
    renewCommand,
    revokeCommand,
    certsCommand,
    statusCommand,
    checkCommand,
    problemsCommand,
    loadCommand,
    watchCommand,
    applyCommand,
    getCommand,
    deleteCommand,
    lintCommand,
    translateCommand,
    schemaCommand,
    configCommand,
    logLevelCommand,
    versionCommand,
  ];
  for (const make of commands) program.addCommand(make(context));
  program.addCommand(completionCommand(context, program));
  settle(program, deps);
  return program;
}

/** Output through Io and errors thrown, on every level. */
function settle(target: Command, { io }: CliDeps): void {
  target
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: () => {}, getOutHasColors: () => io.colour });
  for (const child of target.commands) settle(child, { io } as CliDeps);
}

/** Runs one command line (without node and script); resolves with the exit code. */
export async function runCommandLine(argv: readonly string[], deps: CliDeps): Promise<number> {
  let code: number = exitCodes.fine;
  const program = createProgram(deps, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(deps.io, error);
    if (error.exitCode === 0) return exitCodes.fine;
    const at = commandAt(program, argv);
    const typed = ['chancery', ...at.path].join(' ');
    if (error.code === 'commander.help')
      return reportFailure(
        deps.io,
        new AppError(
          'CH1601',
          `${typed} needs one of its commands: ${at.command.commands.map((one) => one.name()).join(', ')}`,
          {
            hint: `Run ${typed} --help for what each does and an example.`,
          },
        ),
      );
    const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
    const hint = `${suggestion === undefined ? '' : `${suggestion.replace(/[()]/g, '').trim()} `}Run ${typed} --help for options and an example.`;
    return reportFailure(deps.io, new AppError('CH1601', message.replace(/\.$/, ''), { hint }));
  }
}

/** The command that was typed, and its name as it was typed. */
function commandAt(
  program: Command,
  argv: readonly string[],
): { readonly command: Command; readonly path: readonly string[] } {
  const path: string[] = [];
  let command = program;
  for (const word of argv) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) break;
    command = next;
    path.push(word);
  }
  return { command, path };
}
