/** Completion for bash 4.3 and newer, without the package bash-completion. */
import { allOf, type CommandSpec, type OptionSpec, type ValueSpec } from './command-spec.ts';
import { shellWord, shellWords } from './quote.ts';

export function bashScript(program: CommandSpec): string {
  const commands = allOf(program);
  return `# Completion of pulselane for bash: pulselane completion bash
_pulselane() {
  # Colons and equals signs end words for bash: what they are in the middle of is put together again.
  local -a words=()
  local i joined=0
  for (( i = 0; i <= COMP_CWORD; i++ )); do
    if (( i > 0 )) && [[ \${COMP_WORDS[i]} == [:=]* ]]; then
      words[-1]+=\${COMP_WORDS[i]} joined=1
    elif (( joined )); then
      words[-1]+=\${COMP_WORDS[i]} joined=0
    else
      words+=("\${COMP_WORDS[i]}")
    fi
  done
  local cur=\${words[-1]} last=$(( \${#words[@]} - 1 )) path='' at=1 nth=0 word skip=0
  COMPREPLY=()
  case "\${words[1]-}" in
${commands
  .filter(({ path }) => path.length === 1)
  .map(({ path: [name = ''], commands: below }) => {
    const deeper = below.length === 0 ? '' : ` ${deeperCase(below)}`;
    return `    ${shellWord(name)}) (( last > 1 )) && path=${shellWord(name)} at=2${deeper === '' ? '' : ` &&${deeper}`} ;;`;
  })
  .join('\n')}
  esac
  for (( i = at; i < last; i++ )); do
    word=\${words[i]}
    if (( skip )); then skip=0; continue; fi
    case "$path $word" in
${commands
  .map(valuedPattern)
  .filter((line) => line !== '')
  .join('\n')}
      *' -'*) ;;
      *) (( nth++ )) ;;
    esac
  done
  # The flag whose value is being typed, if there is one.
  if (( skip )); then
    case "$path \${words[last-1]}" in
${commands.flatMap(optionCases).join('\n')}
    esac
    return
  fi
  if [[ $cur == -* ]]; then
    case "$path" in
${commands.map((spec) => `      ${shellWord(spec.path.join(' '))}) _pulselane_words ${shellWords(flagsOf(spec))} ;;`).join('\n')}
    esac
    return
  fi
  case "$path $nth" in
${commands.flatMap(argumentCases).join('\n')}
  esac
}

# Those of the words that begin with what was typed, as they must be typed.
_pulselane_words() {
  local word typed=\${cur#[\\"\\']} before=''
  # Bash puts what it is given behind the last colon.
  [[ $typed == *:* ]] && before=\${typed%"\${typed##*:}"}
  for word in "$@"; do
    [[ $word == "$typed"* ]] || continue
    word=\${word#"$before"}
    # Behind a quote that is typed already a word stands as it is. One that would end the quote, or run something within
    # it, is not offered: worker ids are what workers chose.
    case $cur in
      \\"*) [[ $word == *[\\"\\$\\\`\\\\!]* ]] || COMPREPLY+=("$word") ;;
      \\'*) [[ $word == *\\'* ]] || COMPREPLY+=("$word") ;;
      *) COMPREPLY+=("$(printf '%q' "$word")") ;;
    esac
  done
}

_pulselane_ids() {
  local ids
  mapfile -t ids < <("\${words[0]}" completion-ids "$1" -- "\${words[@]:1}" 2>/dev/null)
  _pulselane_words "\${ids[@]}"
}

complete -F _pulselane pulselane
`;
}

function deeperCase(below: readonly CommandSpec[]): string {
  const names = below.map(({ path }) => shellWord(path.at(-1) ?? '')).join(' | ');
  return `if (( last > 2 )); then case "\${words[2]}" in ${names}) path="$path \${words[2]}" at=3 ;; esac; fi`;
}

function flagsOf({ options }: CommandSpec): string[] {
  return options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
}

function patternOf(path: readonly string[], { short, long }: OptionSpec): string {
  return [long, ...(short === undefined ? [] : [short])]
    .map((flag) => shellWord(`${path.join(' ')} ${flag}`))
    .join(' | ');
}

/** Flags behind which a value stands. */
function valuedPattern({ path, options }: CommandSpec): string {
  const valued = options.filter(({ value }) => value !== undefined);
  return valued.length === 0 ? '' : `      ${valued.map((option) => patternOf(path, option)).join(' | ')}) skip=1 ;;`;
}

function optionCases({ path, options }: CommandSpec): string[] {
  return options.flatMap((option) =>
    option.value === undefined || option.value.kind === 'any'
      ? []
      : [`      ${patternOf(path, option)}) ${actionOf(option.value)} ;;`],
  );
}

function argumentCases({ path, arguments: args, commands }: CommandSpec): string[] {
  const at = path.join(' ');
  if (commands.length > 0) {
    const names = shellWords(commands.map((below) => below.path.at(-1) ?? ''));
    // Of a command that also works by itself.
    const [own] = args.map(({ value }) => `; ${actionOf(value)}`);
    return [`    ${shellWord(`${at} 0`)}) _pulselane_words ${names}${own ?? ''} ;;`];
  }
  return args.flatMap(({ value }, nth) =>
    value.kind === 'any' ? [] : [`    ${shellWord(`${at} ${nth}`)}) ${actionOf(value)} ;;`],
  );
}

function actionOf(value: ValueSpec): string {
  switch (value.kind) {
    case 'choices':
      return `_pulselane_words ${shellWords(value.choices)}`;
    case 'file':
      return `compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")`;
    case 'folder':
      return `compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur")`;
    case 'worker':
      return '_pulselane_ids workers';
    case 'pending':
      return '_pulselane_ids pending';
    default:
      return ':';
  }
}
