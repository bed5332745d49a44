// `chancery completion SHELL`: a completion script made from the tree of commands itself.
// Invariant: every command and long option of the program is in it, none is written here by hand.
import { Argument, type Command } from 'commander';
import { type CommandContext, command } from '../command.ts';
import { exitCodes } from '../exit.ts';

interface Entry {
  /** `config show`; empty for the program. */
  readonly path: string;
  readonly description: string;
  readonly words: readonly string[];
}

function entries(target: Command, path: readonly string[]): readonly Entry[] {
  const names = target.commands.map((child) => child.name());
  const options = target.options.flatMap((option) => (option.long ? [option.long] : []));
  const own: Entry = {
    path: path.join(' '),
    description: target.description(),
    words: [...names, ...options, '--help'],
  };
  return [own, ...target.commands.flatMap((child) => entries(child, [...path, child.name()]))];
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(all: readonly Entry[]): string {
  const cases = all.map(({ path, words }) => `    ${quoted(path)}) words=${quoted(words.join(' '))} ;;`).join('\n');
  const paths = all.map(({ path }) => path).filter((path) => path !== '');
  return `# chancery completion bash > /etc/bash_completion.d/chancery
_chancery() {
  local path='' word next words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "|${paths.join('|')}|" in *"|$next|"*) path="$next" ;; esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ \${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _chancery chancery
`;
}

function zsh(all: readonly Entry[]): string {
  return `#compdef chancery\n# chancery completion zsh > "\${fpath[1]}/_chancery"\nautoload -U +X bashcompinit && bashcompinit\n${bash(all)}`;
}

function fish(all: readonly Entry[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const condition =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ');
    return words.map(
      (word) =>
        `complete -c chancery -n ${quoted(condition)} ${word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`}`,
    );
  });
  return `# chancery completion fish > ~/.config/fish/completions/chancery.fish\n${lines.join('\n')}\n`;
}

export function completionCommand(context: CommandContext, program: Command): Command {
  const writers = { bash, zsh, fish };
  return command(
    'completion',
    'Print a completion script',
    'chancery completion bash > /etc/bash_completion.d/chancery',
  )
    .addArgument(new Argument('<shell>').choices(Object.keys(writers)))
    .action(
      context.action(async (shell: keyof typeof writers) => {
        context.io.out(writers[shell](entries(program, [])));
        return exitCodes.fine;
      }),
    );
}
