// `chancery demo`: the whole thing on one machine. The work is done by src/demo; main.ts joins both.
import type { Command } from 'commander';
import { type CommandContext, command } from '../command.ts';

export function demoCommand(context: CommandContext): Command {
  return command(
    'demo',
    'Run registry, services, control plane and real Envoys on this machine',
    'chancery demo\nchancery demo --check',
  )
    .option('--check', 'send the requests, compare the answers, exit 0 or 1')
    .option('--directory <path>', 'where its files go (default: a new temporary directory)')
    .action(
      context.action(async (options: { check?: boolean; directory?: string }) =>
        context.demo({
          check: options.check === true,
          ...(options.directory === undefined ? {} : { directory: options.directory }),
        }),
      ),
    );
}
