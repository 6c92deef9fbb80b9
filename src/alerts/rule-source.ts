/** Reads the rule file and the secret files that it names, so that a later thread can go on with exactly what was found right. */
import { readFileSync } from 'node:fs';
import { fileCauseText } from '../lib/setting-file.ts';
import { textIn } from '../lib/text-file.ts';
import type { RuleSource } from './messages.ts';
import type { ParseRules } from './parts.ts';
import type { RuleProblem } from './rules/place.ts';
import type { RuleSet } from './rules/rule.ts';

/** More is not even read. What a rule file may have is less: see rules/document.ts, which says by how much it is too large. */
const MAX_FILE_BYTES = 4 * 1024 ** 2;

export interface ReadRules {
  readonly rules: RuleSet;
  /** What works, but is probably a mistake. */
  readonly warnings: readonly RuleProblem[];
  /** Undefined: only the shipped rules. */
  readonly source: RuleSource | undefined;
}

export type RulesFound = ReadRules | { readonly rules?: undefined; readonly problems: readonly RuleProblem[] };

/** Reads everything from disk, for a moment: at the start of the master, and in the alerts thread. @param path absolute */
export function readRules(path: string | undefined, allowsCommands: boolean, parse: ParseRules): RulesFound {
  const files: Record<string, string> = {};
  const readFile = (file: string) => {
    const text = textOf(file);
    files[file] = text;
    return text;
  };
  let text: string | undefined;
  try {
    text = path && textOf(path);
  } catch (error) {
    return { problems: [{ message: `cannot be read: ${fileCauseText(error)}` }] };
  }
  const found = parse(text, { path, allowsCommands, readFile });
  if (found.rules === undefined) return found;
  const { rules, warnings } = found;
  return { rules, warnings, source: path === undefined ? undefined : { path, text: text as string, files } };
}

/** The rules of what was read before. */
export function rulesOf(source: RuleSource | undefined, allowsCommands: boolean, parse: ParseRules): RulesFound {
  const readFile = (file: string) => {
    const text = source?.files[file];
    if (text === undefined) throw new Error('it was not read');
    return text;
  };
  const found = parse(source?.text, { path: source?.path, allowsCommands, readFile });
  return found.rules === undefined ? found : { rules: found.rules, warnings: found.warnings, source };
}

/** `rules.yaml:3:7: unknown field …` */
export function problemText(path: string, { message, line, column }: RuleProblem): string {
  const place = line === undefined ? '' : `:${line}${column === undefined ? '' : `:${column}`}`;
  return `${path}${place}: ${message}`;
}

function textOf(path: string): string {
  const bytes = readFileSync(path);
  if (bytes.length > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES / 1024 ** 2} MiB`);
  return textIn(bytes);
}

/** For a log line. */
export function allProblems(path: string, problems: readonly RuleProblem[]): string {
  return problems.map((problem) => problemText(path, problem)).join('; ');
}
