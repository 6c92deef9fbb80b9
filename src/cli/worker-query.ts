/**
 * Which workers `workers` lists, and in which order: the filters of `GET /api/v1/workers`, as flags of the command and as
 * words of the prompt. Both are checked here, by what checks them in the API, so that an error names what was typed.
 */
import { type Command, Option } from 'commander';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { LANE_KINDS } from '../model/lanes.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { isFilter, readCriteria } from '../reading/criteria.ts';
import { sortOf } from '../reading/sort.ts';

export interface WorkerQuery {
  /** As the API has them: `state`, `group`, `isolation`, `prefix`, `label.<name>`, `min.<field>`, `max.<field>`. */
  readonly filters: Readonly<Record<string, string>>;
  /** Undefined: by id. */
  readonly sort: string | undefined;
  /** Undefined: all. */
  readonly limit: number | undefined;
}

/** A filter, a sort or a limit as it was typed. */
interface Typed {
  /** As the API calls it. */
  readonly name: string;
  readonly value: string;
  /** `--label zone=a`, `label.zone=a`. */
  readonly shown: string;
}

export interface FilterFlags {
  readonly state?: string;
  readonly group?: string;
  readonly isolation?: string;
  readonly label?: readonly string[];
  readonly min?: readonly string[];
  readonly max?: readonly string[];
}

interface QueryFlags extends FilterFlags {
  readonly sort?: string;
  readonly limit?: string;
}

/** Flags of which each value is `<name>=<value>`, and what the API puts before the name. */
const NAMED = ['label', 'min', 'max'] as const;
const PLAIN = ['state', 'group', 'isolation', 'sort', 'limit'] as const;

/** How words of the prompt begin that a value or a name ends; states are offered whole. */
export const FILTER_STARTS: readonly string[] = [
  ...PLAIN.filter((name) => name !== 'state').map((name) => `${name}=`),
  ...NAMED.map((name) => `${name}.`),
];

export function addQueryOptions(command: Command): Command {
  return addFilterOptions(command)
    .option('--sort <fields>', 'by these fields, with commas between; "-" before one: descending (default: worker_id)')
    .option('--limit <n>', 'at most so many workers');
}

export function addFilterOptions(command: Command): Command {
  const named = (flags: string, description: string) =>
    new Option(flags, description).argParser((value, before: readonly string[] = []) => [...before, value]);
  return command
    .option('--state <states>', `only workers in one of these states, with commas between: ${WORKER_STATES.join(', ')}`)
    .option('--group <group>', 'only workers of that group; "": of none')
    .addOption(named('--label <name=value>', 'only workers with that label; can be repeated: all must match'))
    .option('--isolation <kinds>', `only workers on such a lane: ${LANE_KINDS.join(', ')}`)
    .addOption(named('--min <field=number>', 'only workers with at least that value, as cpu_usage=50; can be repeated'))
    .addOption(named('--max <field=number>', 'only workers with at most that value; can be repeated'));
}

/** @throws PulselaneError `invalid_argument`, naming the flag */
export function queryOfFlags(flags: QueryFlags, prefix: string): WorkerQuery {
  const plain = PLAIN.flatMap((name): Typed[] => {
    const value = flags[name];
    return value === undefined ? [] : [{ name, value, shown: `--${name} ${value || '""'}` }];
  });
  const named = NAMED.flatMap((flag) =>
    (flags[flag] ?? []).map((text): Typed => {
      const shown = `--${flag} ${text}`;
      const at = text.indexOf('=');
      if (at < 1) throw invalid(`${shown}: expected ${flag === 'label' ? '<name>=<value>' : '<field>=<number>'}`);
      return { name: `${flag}.${text.slice(0, at)}`, value: text.slice(at + 1), shown };
    }),
  );
  return queryOf([...plain, ...named], prefix);
}

/**
 * `state=active label.zone=a sort=-cpu_usage web-`: filters, sort and limit as the API names them. One other word is
 * allowed: the beginning of the ids.
 * @returns undefined if there is more than one other word
 * @throws PulselaneError `invalid_argument`, naming the word
 */
export function queryOfWords(words: readonly string[]): WorkerQuery | undefined {
  refuseFlags(words);
  const typed = words.map((word) => ({ word, typed: typedIn(word) }));
  const prefixes = typed.filter(({ typed }) => typed === undefined).map(({ word }) => word);
  if (prefixes.length > 1) return undefined;
  return queryOf(
    typed.map(({ typed }) => typed).filter((each) => each !== undefined),
    prefixes[0] ?? '',
  );
}

/** Flags of the command are habits, but no words of the prompt. @throws PulselaneError `invalid_argument` */
function refuseFlags(words: readonly string[]): void {
  for (const [index, word] of words.entries()) {
    const [, name = '', joined] = /^--(\w+)(?:=(.*))?$/.exec(word) ?? [];
    const isNamed = NAMED.some((each) => each === name);
    if (!isNamed && !PLAIN.some((each) => each === name)) continue;
    const value = joined ?? words[index + 1] ?? '';
    throw invalid(`${word}: at the prompt, filters have no dashes: ${name}${isNamed ? '.' : '='}${value}`);
  }
}

function typedIn(word: string): Typed | undefined {
  const at = word.indexOf('=');
  if (at === -1) return undefined;
  const name = word.slice(0, at);
  if (name !== 'sort' && name !== 'limit' && !isFilter(name)) return undefined;
  return { name, value: word.slice(at + 1), shown: word };
}

function queryOf(typed: readonly Typed[], prefix: string): WorkerQuery {
  const names = typed.map(({ name }) => name);
  const twice = typed.find(({ name }, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`${twice.shown}: ${twice.name} is given more than once`);
  const typedAs = (wanted: string) => typed.find(({ name }) => name === wanted);
  const isPlain = ({ name }: Typed) => name !== 'sort' && name !== 'limit';
  const filters = Object.fromEntries(typed.filter(isPlain).map(({ name, value }) => [name, value]));
  if (prefix !== '') filters.prefix = prefix;
  for (const { name, detail } of readCriteria(filters).mistakes) {
    throw invalid(`${typedAs(name)?.shown ?? name}: ${detail}`);
  }
  return { filters, sort: checkedSort(typedAs('sort')), limit: checkedLimit(typedAs('limit')) };
}

function checkedSort(typed: Typed | undefined): string | undefined {
  try {
    sortOf(typed?.value);
  } catch (error) {
    throw invalid(`${typed?.shown}: ${messageOf(error)}`);
  }
  return typed?.value;
}

function checkedLimit(typed: Typed | undefined): number | undefined {
  if (typed === undefined) return undefined;
  const value = /^\d{1,9}$/.test(typed.value) ? Number(typed.value) : 0;
  if (value < 1) throw invalid(`${typed.shown}: expected a whole number, at least 1`);
  return value;
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
