/** Where settings come from: flags, the environment and `.env`. The only reader of `process.env`. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { textIn } from '../lib/text-file.ts';

/** Unparsed values from the command line, by option key. */
export type GivenFlags = Readonly<Record<string, string | boolean | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  readonly flags: GivenFlags;
  readonly environment: Environment;
  /** Content of `.env`; unknown names are ignored. */
  readonly dotenv: Environment;
}

/** Flags, this process's environment, and `.env` in the working directory. */
export function processSources(flags: GivenFlags): Sources {
  return { flags, environment: process.env, dotenv: readDotenv() };
}

/**
 * Reads `.env`, decoded by `textIn`. Lines may begin with `export`, as in a shell.
 * @throws PulselaneError `bad_setting` if the file exists but cannot be read.
 */
export function readDotenv(path = '.env'): Environment {
  const text = dotenvText(path);
  if (text === undefined) return {};
  // Node strips `export` only before a space. Stripped from names, since a line may belong to a multi-line value.
  return Object.fromEntries(
    Object.entries(parseEnv(text)).map(([name, value]) => [name.replace(/^export\s+/, ''), value]),
  );
}

/**
 * One warning per line of a `.env` file that is neither a setting, a comment nor part of a value; such lines are
 * ignored.
 */
export function dotenvWarnings(path = '.env'): string[] {
  const text = dotenvText(path);
  return text === undefined
    ? []
    : unreadableLines(text).map((line) => `${path}:${line}: expected NAME=value; the line is ignored`);
}

/** Numbers, from 1, of the lines that `parseEnv` ignores. */
export function unreadableLines(text: string): number[] {
  const unreadable: number[] = [];
  /** The quote that ends a multi-line value. */
  let openQuote: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (openQuote !== undefined) {
      if (line.includes(openQuote)) openQuote = undefined;
      continue;
    }
    const value = /^[^=#]*[^=#\s][^=#]*=\s*(.*)$/.exec(line)?.[1];
    if (value === undefined) {
      if (!/^\s*(#|$)/.test(line)) unreadable.push(index + 1);
      continue;
    }
    const quote = /^["'`]/.exec(value)?.[0];
    if (quote !== undefined && !value.slice(1).includes(quote) && hasLater(text, index, quote)) openQuote = quote;
  }
  return unreadable;
}

/** A quote that is never closed is part of the value. */
function hasLater(text: string, line: number, quote: string): boolean {
  return text
    .split('\n')
    .slice(line + 1)
    .some((later) => later.includes(quote));
}

function dotenvText(path: string): string | undefined {
  try {
    return textIn(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new PulselaneError('bad_setting', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
