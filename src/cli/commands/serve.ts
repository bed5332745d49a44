// `chancery serve` and `chancery config show`: both read the configuration, one runs it, the other explains it.
// Invariant: secrets are never printed.
import type { Command } from 'commander';
import { isSecretKey } from '../../model/config.ts';
import { withoutCredentials } from '../../util/public-url.ts';
import { type CommandContext, command, formatOption } from '../command.ts';
import { readConfiguration, withConfiguration } from '../configuration.ts';
import { exitCodes, reportProblems } from '../exit.ts';
import { asText } from '../print.ts';
import { table } from '../table.ts';

export function serveCommand(context: CommandContext): Command {
  const serve = command(
    'serve',
    'Run the control plane',
    'CONSUL_HTTP_ADDR=127.0.0.1:8500 chancery serve\nchancery serve -c chancery.yaml',
  ).alias('run');
  return withConfiguration(serve).action(
    context.action(async (options: Record<string, unknown>) => {
      const resolved = readConfiguration(context.io, options);
      reportProblems(context.io, resolved.problems);
      return resolved.config === undefined ? exitCodes.usage : context.serve(resolved.config, resolved);
    }),
  );
}

export function configCommand(context: CommandContext): Command {
  const show = command(
    'show',
    'Print the effective configuration and where each value came from',
    'chancery config show -c chancery.yaml',
  )
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Record<string, unknown>) => {
        const resolved = readConfiguration(context.io, options);
        reportProblems(context.io, resolved.problems);
        if (resolved.config === undefined) return exitCodes.usage;
        const format = options['output'] as string;
        if (format === 'table') {
          const rows = leaves(resolved.config, []).map(([key, value]) => [
            key,
            value,
            resolved.origins.get(key) ?? 'default',
          ]);
          context.io.out(table(['KEY', 'VALUE', 'FROM'], rows));
        } else context.io.out(asText(redacted(resolved.config), format === 'json' ? 'json' : 'yaml'));
        return exitCodes.fine;
      }),
    );
  withConfiguration(show);
  return command('config', 'The configuration of the control plane', 'chancery config show').addCommand(show);
}

function leaves(value: unknown, path: readonly string[]): [string, string][] {
  if (value !== null && typeof value === 'object' && Object.keys(value).length > 0)
    return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]));
  const shown = isSecretKey(path.at(-1) ?? '')
    ? '(redacted)'
    : typeof value === 'string'
      ? withoutCredentials(value)
      : JSON.stringify(value);
  return value === undefined ? [] : [[path.join('.'), shown]];
}

function redacted(value: unknown): unknown {
  if (typeof value === 'string') return withoutCredentials(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, isSecretKey(key) ? '(redacted)' : redacted(child)]),
  );
}
