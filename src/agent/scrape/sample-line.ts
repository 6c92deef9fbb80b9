/**
 * Reads one line of an exporter's answer, in the text format 0.0.4 of Prometheus, see
 * https://prometheus.io/docs/instrumenting/exposition_formats/. Quoted names (UTF-8) of the format 1.0.0 are read, too.
 *
 *     node_load1 0.21
 *     node_filesystem_avail_bytes{device="/dev/vda1",mountpoint="/"} 6.9e+10 1794000000000
 */
export interface Sample {
  readonly name: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** May be NaN or infinite. */
  readonly value: number;
}

/** @returns undefined for comments, and for lines without content. @throws NoSample with what was expected */
export function parseSampleLine(line: string): Sample | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  return new LineReader(text).sample();
}

export class NoSample extends Error {}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const BLANKS = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const VALUE = /[^ \t]+/y;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const TIMESTAMP = /^-?\d+(?:\.\d+)?$/;

class LineReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  sample(): Sample {
    let name = this.#take(NAME);
    const labels: (readonly [string, string])[] = [];
    this.#take(BLANKS);
    if (this.#skip('{')) {
      for (;;) {
        this.#take(BLANKS);
        if (this.#skip('}')) break;
        const quoted = this.#quoted();
        const label = quoted ?? this.#take(LABEL_NAME);
        if (label === undefined) throw new NoSample(`expected a label's name or "}" ${this.#here()}`);
        this.#take(BLANKS);
        if (this.#skip('=')) {
          this.#take(BLANKS);
          const value = this.#quoted();
          if (value === undefined) throw new NoSample(`expected a label's value in quotes ${this.#here()}`);
          labels.push([label, value]);
        } else if (quoted !== undefined && name === undefined) {
          name = quoted;
        } else {
          throw new NoSample(`expected "=" ${this.#here()}`);
        }
        this.#take(BLANKS);
        if (this.#skip(',')) continue;
        if (this.#skip('}')) break;
        throw new NoSample(`expected "," or "}" ${this.#here()}`);
      }
    }
    if (name === undefined || name === '') throw new NoSample('expected the name of a metric first');
    this.#take(BLANKS);
    const value = numberOf(this.#take(VALUE) ?? '');
    if (value === undefined) throw new NoSample(`expected a number as the value of ${name}`);
    this.#take(BLANKS);
    const timestamp = this.#take(VALUE);
    // An exemplar of OpenMetrics may follow.
    if (timestamp !== undefined && timestamp !== '#' && !TIMESTAMP.test(timestamp)) {
      throw new NoSample(`expected a time or the end of the line after the value of ${name}`);
    }
    return { name, labels, value };
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #quoted(): string | undefined {
    QUOTED.lastIndex = this.#at;
    const found = QUOTED.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return unescaped(found[1] as string);
  }

  #here(): string {
    return `at character ${this.#at + 1}`;
  }
}

/** An unknown escape stays as it is, as Prometheus reads it. */
function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replaceAll(/\\(["\\n])/g, (_, character: string) => (character === 'n' ? '\n' : character))
    : text;
}

function numberOf(text: string): number | undefined {
  if (NUMBER.test(text)) return Number(text);
  switch (text.toLowerCase()) {
    case 'nan':
      return Number.NaN;
    case '+inf':
    case 'inf':
    case '+infinity':
    case 'infinity':
      return Number.POSITIVE_INFINITY;
    case '-inf':
    case '-infinity':
      return Number.NEGATIVE_INFINITY;
    default:
      return undefined;
  }
}
