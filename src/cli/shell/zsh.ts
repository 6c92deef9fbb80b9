/** Completion for zsh: a file `_pulselane` in a folder of `$fpath`, or sourced. */
import type { CommandSpec, OptionSpec, ValueSpec } from './command-spec.ts';
import { shellWord, shortly } from './quote.ts';

export function zshScript(program: CommandSpec): string {
  return `#compdef pulselane
# Completion of pulselane for zsh: pulselane completion zsh

_pulselane_ids() {
  local -a ids
  ids=("\${(@f)$("\${_pulselane_words[1]}" completion-ids $1 -- "\${(@)_pulselane_words[2,-1]}" 2>/dev/null)}")
  ids=("\${(@)ids:#}")
  compadd -a ids
}

${functionsOf(program)}
_pulselane() {
  local -a _pulselane_words=("\${words[@]}")
  _pulselane_of_pulselane "$@"
}

# Sourced, and not found by $fpath.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pulselane "$@"; else compdef _pulselane pulselane; fi
`;
}

/** A function for each command, those below first. */
function functionsOf(spec: CommandSpec): string {
  const { commands, options, arguments: args } = spec;
  const flags = options.map(optionSpec);
  if (commands.length === 0) {
    const positional = args.map(({ name, value }, index) =>
      shellWord(`${index + 1}::${escaped(name)}:${actionOf(value)}`),
    );
    return `${nameOf(spec)}() {\n  _arguments ${[...flags, ...positional].join(' \\\n    ')}\n}\n`;
  }
  const listed = commands.map(({ path, description }) => shellWord(`${path.at(-1)}:${shortly(description)}`));
  return `${commands.map(functionsOf).join('\n')}
${nameOf(spec)}() {
  local line state
  local -a commands=(
    ${listed.join('\n    ')}
  )
  _arguments -C ${[...flags, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
    command) _describe command commands${args.map(({ value }) => `;${actionOf(value)}`)[0] ?? ''} ;;
    argument)
      case $line[1] in
${commands.map((below) => `        ${below.path.at(-1)}) ${nameOf(below)} ;;`).join('\n')}
      esac
      ;;
  esac
}
`;
}

function nameOf({ path }: CommandSpec): string {
  return `_pulselane_of_${['pulselane', ...path].join('_').replaceAll('-', '_')}`;
}

function optionSpec({ short, long, description, value }: OptionSpec): string {
  const said = `[${escaped(shortly(description))}]${value === undefined ? '' : `:value:${actionOf(value)}`}`;
  if (short === undefined) return shellWord(`*${long}${said}`);
  return `'*'{${short},${long}}${shellWord(said)}`;
}

/** What _arguments takes apart. */
function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, '\\$&');
}

function actionOf(value: ValueSpec): string {
  switch (value.kind) {
    case 'choices':
      return `(${value.choices.join(' ')})`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    // The space keeps _arguments from putting words of its own in between.
    case 'worker':
      return ' _pulselane_ids workers';
    case 'pending':
      return ' _pulselane_ids pending';
    default:
      return ' ';
  }
}
