// What every command module gets and how it hands back its exit code; shared options with one wording.
// It knows no single command. Invariant: an action returns a code; it never ends the process.
import { Command, Option } from 'commander';
import type { CliDeps } from './io.ts';

export interface CommandContext extends CliDeps {
  /** Turns an async action that returns an exit code into commander's. */
  action<A extends unknown[]>(run: (...args: A) => Promise<number>): (...args: A) => Promise<void>;
}

/** A command with an example in its help page. */
export function command(nameAndArguments: string, description: string, example: string): Command {
  const [name = '', ...parameters] = nameAndArguments.split(' ');
  const target = new Command(name).description(description);
  if (parameters.length > 0) target.arguments(parameters.join(' '));
  return target.addHelpText('after', `\nExample:\n${example.replace(/^/gm, '  $ ')}`);
}

export type Format = 'table' | 'json' | 'yaml';

export function formatOption(choices: readonly string[], fallback: string): Option {
  return new Option('-o, --output <format>', 'how to print').choices([...choices]).default(fallback);
}

/** `--server`, `--token-file` and `--ca`. */
export function withServer(target: Command): Command {
  return target
    .option('--server <url>', 'HTTP address of the server (CHANCERY_SERVER; default http://127.0.0.1:18080)')
    .option('--token-file <file>', 'its bearer token (CHANCERY_TOKEN_FILE, CHANCERY_TOKEN; default ./.chancery/token)')
    .option('--ca <file>', 'where it speaks TLS: PEM of the authority to trust (CHANCERY_CA)');
}
