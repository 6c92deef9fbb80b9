/** Completion for fish 3 and newer. */
import { allOf, type CommandSpec, type OptionSpec, type ValueSpec } from './command-spec.ts';
import { fishWord, shortly } from './quote.ts';

export function fishScript(program: CommandSpec): string {
  const commands = allOf(program);
  const valued = new Set(
    commands.flatMap(({ options }) =>
      options.flatMap(({ value, short, long }) =>
        value === undefined ? [] : [long, ...(short === undefined ? [] : [short])],
      ),
    ),
  );
  return `# Completion of pulselane for fish: pulselane completion fish
# Whether the line is about that command, and this is its argument number $argv[1], counted from 0; -1: any.
function __pulselane_at
    set -l nth $argv[1]
    set -e argv[1]
    set -l words (commandline -opc)
    set -e words[1]
    for name in $argv
        test "$words[1]" = "$name"; or return 1
        set -e words[1]
    end
    test $nth -lt 0; and return 0
    set -l count 0
    set -l skip 0
    for word in $words
        if test $skip -eq 1
            set skip 0
        else if contains -- $word ${[...valued].map(fishWord).join(' ')}
            set skip 1
        else if not string match -q -- '-*' $word
            set count (math $count + 1)
        end
    end
    test $skip -eq 0 -a $count -eq $nth
end

function __pulselane_ids
    set -l words (commandline -opc)
    $words[1] completion-ids $argv[1] -- $words[2..-1] 2>/dev/null
end

complete -c pulselane -f
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, options, arguments: args, commands }: CommandSpec): string[] {
  const line = (nth: number, rest: string) =>
    `complete -c pulselane -n ${fishWord(['__pulselane_at', String(nth), ...path].join(' '))} ${rest}`;
  return [
    ...commands.map((below) =>
      line(0, `-a ${fishWord(below.path.at(-1) ?? '')} -d ${fishWord(shortly(below.description))}`),
    ),
    ...options.map((option) => line(-1, optionText(option))),
    ...args.flatMap(({ value }, nth) => {
      const candidates = candidatesOf(value);
      return candidates === undefined ? [] : [line(nth, candidates)];
    }),
  ];
}

function optionText({ short, long, description, value }: OptionSpec): string {
  const names = `${short === undefined ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}`;
  const takes = value === undefined ? '' : ` ${candidatesOf(value) ?? '-x'}`;
  return `${names}${takes === '' ? '' : takes} -d ${fishWord(shortly(description))}`;
}

/** Undefined: there are none. */
function candidatesOf(value: ValueSpec): string | undefined {
  switch (value.kind) {
    case 'choices':
      return `-x -a ${fishWord(value.choices.join(' '))}`;
    case 'file':
      return '-r -F';
    case 'folder':
      return `-x -a ${fishWord('(__fish_complete_directories)')}`;
    case 'worker':
      return `-x -a ${fishWord('(__pulselane_ids workers)')}`;
    case 'pending':
      return `-x -a ${fishWord('(__pulselane_ids pending)')}`;
    default:
      return undefined;
  }
}
