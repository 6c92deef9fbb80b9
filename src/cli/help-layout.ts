/** `--help` in a terminal of any width: commander wraps descriptions alone, and only where there is much room for them. */
import type { Help } from 'commander';
import { wrapCell, wrapLines } from './text/wrap.ts';

const INDENT = '  ';
/** Below its term. */
const DEEP_INDENT = '      ';
/** With less room beside its term, a description stands below it. */
const LEAST_DESCRIPTION_COLUMNS = 24;

/** For `configureHelp`. */
export const HELP_LAYOUT = {
  // The default of 40 leaves descriptions in one line in windows of up to 80 columns.
  minWidthToWrap: LEAST_DESCRIPTION_COLUMNS,
  formatItem(term: string, termWidth: number, description: string, { helpWidth = 80 }: Help): string {
    if (description === '') return INDENT + term;
    const beside = helpWidth - INDENT.length - termWidth - INDENT.length;
    if (beside < LEAST_DESCRIPTION_COLUMNS) {
      const lines = wrapCell(description, Math.max(1, helpWidth - DEEP_INDENT.length));
      return [INDENT + term, ...lines.map((line) => DEEP_INDENT + line)].join('\n');
    }
    const [first, ...rest] = wrapCell(description, beside);
    const margin = ' '.repeat(INDENT.length + termWidth + INDENT.length);
    return [`${INDENT}${term.padEnd(termWidth)}${INDENT}${first}`, ...rest.map((line) => margin + line)].join('\n');
  },
};

/** `  pulselane status worker-1      what it does`; an environment may come before the name. */
const EXAMPLE = /^ {2}(?<command>(?:\w+=\S+ )*pulselane .*?)(?: {2,}(?<meaning>.*))?$/;

/** The lines of help that commander leaves as they are: usage, and examples, which can still be copied afterwards. */
export function helpLines(text: string, columns: number): string {
  const lines = text.split('\n');
  // One beside its meaning, and the next above it, would look like two kinds of things.
  const isStacked = lines.some((line) => line.length > columns && EXAMPLE.test(line));
  return lines
    .map((line) => {
      const { command, meaning } = EXAMPLE.exec(line)?.groups ?? {};
      if (command === undefined) return wrapLines(line, columns);
      if (line.length <= columns && (meaning === undefined || !isStacked)) return line;
      const [first, ...rest] = shellLines(command, columns - DEEP_INDENT.length);
      const below = meaning === undefined ? [] : wrapCell(meaning, columns - DEEP_INDENT.length);
      return [INDENT + first, ...[...rest, ...below].map((each) => DEEP_INDENT + each)].join('\n');
    })
    .join('\n');
}

/** A shell takes them for one command. */
function shellLines(command: string, columns: number): string[] {
  const lines = wrapLines(command, Math.max(1, columns - ' \\'.length))
    .split('\n')
    .map((line) => line.trim());
  return lines.map((line, index) => (index < lines.length - 1 ? `${line} \\` : line));
}
