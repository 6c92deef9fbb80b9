/** Where in its source a module failed to load: V8 tells the place of what is thrown, but not of what it cannot parse. */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

/** More files than any processor has; a place is not worth reading a whole tree. */
const MAX_FILES = 100;
/** Static imports of files: what a module loads besides packages. */
const FILE_IMPORT = /^\s*(?:import|export)\b[^'"]*['"](\.{1,2}\/[^'"]+)['"]/gm;

/** @returns `path:line:column`, or undefined if it cannot be told */
export function sourcePlace(error: unknown, url: string): string | undefined {
  return error instanceof SyntaxError ? syntaxErrorPlace(url) : thrownPlace(error);
}

/** The first line of the stack that is in a file. */
function thrownPlace(error: unknown): string | undefined {
  const stack = error instanceof Error ? String(error.stack) : '';
  const [, url, line, column] =
    /\((file:\/\/[^)\s]+?):(\d+):(\d+)\)|\bat (?:async )?(file:\/\/\S+?):(\d+):(\d+)$/m
      .exec(stack)
      ?.filter((part) => part !== undefined) ?? [];
  return url === undefined ? undefined : `${fileURLToPath(url)}:${line}:${column}`;
}

/** Parses the module and those that it imports with the parser that Node has for TypeScript, which tells the place. */
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
  // That the parser is experimental is nothing to tell an operator.
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
