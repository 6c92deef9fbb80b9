/**
 * Where the characters of a YAML scalar stand in the file, so that a mistake in an expression is shown at its own place, not at
 * that of the scalar. Quotation marks, escapes, folded lines and indentation stand between them.
 */

export type ScalarStyle = 'plain' | 'single' | 'double' | 'block';

/**
 * @param raw the scalar as written, quotation marks and block header included
 * @param value what it means
 * @returns for each UTF-16 unit of `value`, and for its end, the offset in `raw`; white space is exact up to its run
 */
export function scalarOffsets(raw: string, value: string, style: ScalarStyle): number[] {
  const offsets: number[] = [];
  let at = contentStart(raw, style);
  for (let index = 0; index < value.length; index++) {
    const char = value[index] as string;
    if (style === 'double') while (isEscapedLineEnd(raw, at)) at = afterLineEnd(raw, at + 1);
    if (isSpace(char)) {
      offsets.push(Math.min(at, raw.length));
      if (style === 'double' && raw[at] === '\\') at += escapeAt(raw, at).length;
      // A folded line end is one character of the value, and any number of the file.
      else if (isSpace(raw[at])) at = isLineEnd(raw[at]) ? afterLineEnd(raw, at) : at + 1;
      continue;
    }
    // White space that folding has dropped, also escaped one.
    while (isSpace(raw[at]) || (style === 'double' && isEscapedSpace(raw, at))) at += raw[at] === '\\' ? 2 : 1;
    offsets.push(Math.min(at, raw.length));
    if (style === 'double' && raw[at] === '\\') {
      const written = escapeAt(raw, at);
      // An escape above U+FFFF stands for two units of the value.
      for (let unit = 1; unit < written.units; unit++) offsets.push(offsets[index++] as number);
      at += written.length;
    } else at += style === 'single' && raw[at] === "'" ? 2 : 1;
  }
  offsets.push(Math.min(at, raw.length));
  return offsets.slice(0, value.length + 1);
}

function contentStart(raw: string, style: ScalarStyle): number {
  if (style === 'plain') return 0;
  if (style !== 'block') return 1;
  const lineEnd = raw.indexOf('\n');
  return lineEnd === -1 ? raw.length : lineEnd + 1;
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r';
}

function isLineEnd(char: string | undefined): boolean {
  return char === '\n' || char === '\r';
}

/** Behind a line end and the indentation of the next line. */
function afterLineEnd(raw: string, at: number): number {
  let next = at;
  while (raw[next] === '\r') next++;
  if (raw[next] === '\n') next++;
  while (raw[next] === ' ' || raw[next] === '\t') next++;
  return next;
}

function isEscapedLineEnd(raw: string, at: number): boolean {
  return raw[at] === '\\' && isLineEnd(raw[at + 1]);
}

function isEscapedSpace(raw: string, at: number): boolean {
  return raw[at] === '\\' && ' \t\nnrt'.includes(raw[at + 1] ?? '\\');
}

/** YAML 1.2, 5.7: `\xHH`, `\uHHHH`, `\UHHHHHHHH`, or a backslash and one character. */
function escapeAt(raw: string, at: number): { readonly length: number; readonly units: number } {
  switch (raw[at + 1]) {
    case 'x':
      return { length: 4, units: 1 };
    case 'u':
      return { length: 6, units: 1 };
    case 'U':
      return { length: 10, units: Number.parseInt(raw.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1 };
    default:
      return { length: 2, units: 1 };
  }
}
