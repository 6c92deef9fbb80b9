/**
 * Finds where in its source a module failed to load: V8 reports the place of a thrown error, but not of a syntax error.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Maximum number of files parsed; real processors have fewer. */
const MAX_FILES = 100;
/** Matches static imports of files, not of packages. */
const FILE_IMPORT = /^\s*(?:import|export)\b[^'"]*['"](\.{1,2}\/[^'"]+)['"]/gm;

/** @returns `path:line:column`; undefined if unknown */
export function sourcePlace(error: unknown, url: string): string | undefined {
  return error instanceof SyntaxError ? syntaxErrorPlace(url) : thrownPlace(error);
}

/** The first stack frame in a file. */
function thrownPlace(error: unknown): string | undefined {
  const stack = error instanceof Error ? String(error.stack) : '';
  const [, url, line, column] =
    /\((file:\/\/[^)\s]+?):(\d+):(\d+)\)|\bat (?:async )?(file:\/\/\S+?):(\d+):(\d+)$/m
      .exec(stack)
      ?.filter((part) => part !== undefined) ?? [];
  return url === undefined ? undefined : `${fileURLToPath(url)}:${line}:${column}`;
}

/** Parses the module and its imports with Node's TypeScript parser, which reports the place of a syntax error. */
function syntaxErrorPlace(entry: string): string | undefined {
  const urls = [entry];
  for (let next = 0; next < urls.length && next < MAX_FILES; next++) {
    const url = urls[next] as string;
    let source: string;
    try {
      source = readFileSync(new URL(url), 'utf8');
    } catch {
      continue;
    }
    const place = parseErrorPlace(source);
    if (place !== undefined) return `${fileURLToPath(url)}:${place}`;
    for (const [, specifier = ''] of source.matchAll(FILE_IMPORT)) {
      const imported = new URL(specifier, url).href;
      if (!urls.includes(imported)) urls.push(imported);
    }
  }
  return undefined;
}

/** @returns `line:column` of the first error; undefined if there is none */
function parseErrorPlace(source: string): string | undefined {
  const { emitWarning } = process;
  // Operators need no warning that the parser is experimental.
  process.emitWarning = () => {};
  try {
    stripTypeScriptTypes(source);
    return undefined;
  } catch (error) {
    // `name:line`, lines of the source, and a caret below the place.
    const stack = String((error as Error).stack);
    const line = /^[^\n]*?:(\d+)\n/.exec(stack)?.[1];
    const caret = /^( *)\^/m.exec(stack)?.[1];
    return line === undefined ? undefined : `${line}:${(caret?.length ?? 0) + 1}`;
  } finally {
    process.emitWarning = emitWarning;
  }
}
