// `list` and `revoke`, the same for tokens with which nodes join and for those of the HTTP API.
// Invariant: who has a token itself at hand may give that; only its public part leaves this machine.
import type { Command } from 'commander';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';
import { table } from '../table.ts';

interface Options {
  readonly server?: string;
  readonly tokenFile?: string;
}

export interface KeptTokens<Token> {
  /** The command above: `access`. */
  readonly under: string;
  /** Where the API has them. */
  readonly path: string;
  readonly list: {
    readonly about: string;
    /** Where there is none. */
    readonly none: string;
    readonly header: readonly string[];
    readonly row: (token: Token, nowMs: number) => readonly string[];
  };
  readonly revoke: {
    /** What it is called by: `<name>`. */
    readonly argument: string;
    readonly about: string;
    readonly example: string;
    /** A whole token; its first group is what it is called by. */
    readonly whole: RegExp;
  };
}

export function listTokens<Token>(context: CommandContext, { under, path, list }: KeptTokens<Token>): Command {
  const { io } = context;
  return withServer(command('list', list.about, `chancery ${under} list`))
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Options & { readonly output: Format }) => {
        const tokens = (await createClient(io, options).get(path)) as readonly Token[];
        const rows = (): string[][] => tokens.map((token) => [...list.row(token, io.clock.wall())]);
        if (options.output !== 'table') io.out(asText(tokens, options.output));
        else io.out(tokens.length === 0 ? `${list.none}\n` : table(list.header, rows()));
        return exitCodes.fine;
      }),
    );
}

export function revokeToken<Token>(context: CommandContext, { under, path, revoke }: KeptTokens<Token>): Command {
  const { io } = context;
  return withServer(
    command(`revoke ${revoke.argument}`, revoke.about, `chancery ${under} revoke ${revoke.example}`),
  ).action(
    context.action(async (given: string, options: Options) => {
      const name = revoke.whole.exec(given)?.[1] ?? given;
      await createClient(io, options).send('DELETE', `${path}/${encodeURIComponent(name)}`);
      io.out(`token ${name} revoked\n`);
      return exitCodes.fine;
    }),
  );
}
