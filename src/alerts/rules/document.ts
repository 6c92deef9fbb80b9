/** A YAML file as plain values, with the place of each. */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseAllDocuments,
  Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import type { Place, RuleProblem } from './place.ts';
import { type ScalarStyle, scalarOffsets } from './scalar-offsets.ts';

export type Path = readonly (string | number)[];

/** A hundred rules take 40 KB. */
export const MAX_FILE_BYTES = 1_048_576;
/** Values of the file with its aliases resolved: a file of 1 MiB without aliases has fewer. */
const MAX_VALUES = 200_000;
/** Each use of an anchor counts, times the aliases in what it stands for: nested ones grow exponentially. */
const MAX_ALIASES = 1_000;
/** Deepest nesting; routes are the only part of a rule file that nests. */
const MAX_NESTING = 64;

/** One mistake may be followed by many: each level that is not closed counts. */
const MAX_YAML_PROBLEMS = 20;

export interface ReadDocument {
  /** Undefined if it cannot be read at all. */
  readonly value: unknown;
  readonly problems: readonly RuleProblem[];
  readonly places: Places;
}

export function readDocument(text: string): ReadDocument {
  const lines = new Lines(text);
  const failed = (problem: RuleProblem): ReadDocument => ({
    value: undefined,
    problems: [{ line: 1, column: 1, ...problem }],
    places: NOWHERE,
  });
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_FILE_BYTES) {
    return failed({ message: `the file has ${bytes} bytes; at most ${MAX_FILE_BYTES} are allowed` });
  }
  const nested = tooDeepAt(text);
  if (nested !== undefined) return failed({ message: TOO_DEEP, ...nested });
  const documents = parsed(text);
  if (documents === undefined) return failed({ message: TOO_DEEP });
  const [document, second] = documents;
  if (document === undefined) return failed({ message: 'the file is empty; expected fields such as rules' });
  if (second !== undefined) {
    const place = lines.placeAt(second.range[0]);
    return failed({ ...place, message: 'a second document begins here ("---"); expected only one' });
  }
  const places = new FilePlaces(document, text, lines);
  const all = [...document.errors, ...document.warnings];
  const problems: RuleProblem[] = all.slice(0, MAX_YAML_PROBLEMS).map((error) => ({
    ...lines.placeAt(error.pos[0]),
    message: yamlMessage(error.code, error.message),
  }));
  problems.push(...nameTextKeys(document, lines));
  const isReadable = document.errors.every(({ code }) => code === 'DUPLICATE_KEY');
  if (!isReadable) return { value: undefined, problems, places };
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    if (!isWithin(value, MAX_NESTING, { left: MAX_VALUES })) return failed({ message: TOO_MANY_ALIASES });
    return { value, problems, places };
  } catch (error) {
    // Of an alias without an anchor, or of too many aliases.
    if (error instanceof ReferenceError) {
      const isBomb = error.message.includes('Excessive');
      return failed(isBomb ? { message: TOO_MANY_ALIASES } : danglingAlias(document, lines));
    }
    if (error instanceof RangeError) return failed({ message: TOO_DEEP });
    throw error;
  }
}

const TOO_MANY_ALIASES = `aliases ("*name") make the file too large; at most ${MAX_ALIASES} of them and ${MAX_VALUES} values are allowed`;
const TOO_DEEP = `the file is nested too deeply; at most ${MAX_NESTING} levels are allowed`;

function parsed(text: string): Document.Parsed[] | undefined {
  try {
    const options = { merge: true, prettyErrors: false, strict: true, uniqueKeys: true } as const;
    const documents = parseAllDocuments(text, options);
    return Array.isArray(documents) ? (documents as Document.Parsed[]) : [];
  } catch (error) {
    // The parser recurses.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Flow collections nest without indentation, and take the parser quadratic time; indentation is bounded by the file's size. */
function tooDeepAt(text: string): Place | undefined {
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '[' || char === '{') run++;
    else if (char !== ' ' && char !== '\n' && char !== '-') run = 0;
    if (run <= MAX_NESTING) continue;
    const before = text.slice(0, at);
    return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') };
  }
  return undefined;
}

/** Whether a value has at most so many levels and values; aliases make values that contain themselves. */
function isWithin(value: unknown, levels: number, budget: { left: number }): boolean {
  if (--budget.left < 0 || levels < 0) return false;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every((member) => isWithin(member, levels - 1, budget));
}

/**
 * Gives fields whose name is no text a name, as it stands for `{{ name }}` without quotes; JavaScript would warn of each. The place of
 * a name that objects cannot have is a problem.
 */
function nameTextKeys(document: Document.Parsed, lines: Lines): readonly RuleProblem[] {
  const problems: RuleProblem[] = [];
  visit(document, {
    Pair(_, pair) {
      const { key } = pair;
      if (isMap(key) || isSeq(key)) pair.key = new Scalar('{…}');
      if (!isScalar(key) || key.value !== '__proto__') return;
      problems.push({ ...lines.placeAt(key.range?.[0] ?? 0), message: 'the name __proto__ is not allowed' });
    },
  });
  return problems;
}

function danglingAlias(document: Document.Parsed, lines: Lines): RuleProblem {
  let problem: RuleProblem = { message: 'YAML: an alias stands for nothing' };
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      // Not its name: it may be a secret that begins with an asterisk.
      const message =
        'YAML: an alias (*…) stands for nothing; expected quotation marks around a text that begins with *';
      problem = { ...lines.placeAt(alias.range?.[0] ?? 0), message };
      return visit.BREAK;
    },
  });
  return problem;
}

function yamlMessage(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'the field stands here a second time; expected it once';
  // Not its name: it may be a secret that begins with an exclamation mark.
  if (code === 'TAG_RESOLVE_FAILED') {
    return 'YAML: an unknown tag (!…); expected quotation marks around a text that begins with !';
  }
  const text = lowerFirst(message.replace(/\s+/g, ' '));
  return `YAML: ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Where lines begin. */
class Lines {
  readonly #starts: number[] = [0];
  readonly #length: number;

  constructor(text: string) {
    this.#length = text.length;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  placeAt(offset: number): Place {
    const at = Math.min(Math.max(0, offset), this.#length);
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= at) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: at - (this.#starts[low] as number) + 1 };
  }
}

export interface Places {
  /** Of a value; of what contains it if it is not in the file. */
  of(path: Path): Place | undefined;
  /** Of the name of a field. */
  ofKey(path: Path): Place | undefined;
  /** Of a character of a text. */
  within(path: Path, offset: number): Place | undefined;
}

/** Of what is shipped. */
export const NOWHERE: Places = { of: () => undefined, ofKey: () => undefined, within: () => undefined };

class FilePlaces implements Places {
  readonly #document: Document.Parsed;
  readonly #text: string;
  readonly #lines: Lines;
  readonly #offsets = new WeakMap<Node, number[]>();

  constructor(document: Document.Parsed, text: string, lines: Lines) {
    this.#document = document;
    this.#text = text;
    this.#lines = lines;
  }

  of(path: Path): Place | undefined {
    return this.#placeOf(this.#find(path).node);
  }

  ofKey(path: Path): Place | undefined {
    const { node, key } = this.#find(path);
    return this.#placeOf(key ?? node);
  }

  within(path: Path, offset: number): Place | undefined {
    const { node } = this.#find(path);
    if (!isScalar(node) || typeof node.value !== 'string' || node.range == null) return this.#placeOf(node);
    let offsets = this.#offsets.get(node);
    if (offsets === undefined) {
      const [start, end] = node.range;
      offsets = scalarOffsets(this.#text.slice(start, end), node.value, styleOf(node));
      this.#offsets.set(node, offsets);
    }
    return this.#lines.placeAt(node.range[0] + (offsets[Math.min(offset, offsets.length - 1)] ?? 0));
  }

  /** The node at the path, or the last one on the way to it. */
  #find(path: Path): { readonly node: Node | null; readonly key: Node | undefined } {
    let node: Node | null = this.#document.contents;
    let key: Node | undefined;
    for (const step of path) {
      const from: Node | null = this.#resolved(node);
      if (isSeq(from) && typeof step === 'number') {
        const item = from.items[step] as Node | undefined;
        if (item === undefined) return { node, key: undefined };
        [node, key] = [item, undefined];
        continue;
      }
      const pair: Pair<Node, Node | null> | undefined = isMap(from)
        ? this.#pairOf(from as YAMLMap<Node, Node | null>, String(step))
        : undefined;
      if (pair === undefined) return { node, key: undefined };
      key = pair.key;
      node = pair.value ?? pair.key;
    }
    return { node, key };
  }

  /** Also of what is merged by `<<`. */
  #pairOf(map: YAMLMap<Node, Node | null>, name: string): Pair<Node, Node | null> | undefined {
    const own = map.items.find((pair) => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === name);
    if (own !== undefined) return own;
    for (const { key, value } of map.items) {
      if (!isScalar(key) || key.source !== '<<') continue;
      const merged = this.#resolved(value);
      for (const part of isSeq(merged) ? merged.items : [merged]) {
        const from = this.#resolved(part as Node | null);
        const found = isMap(from) ? this.#pairOf(from as YAMLMap<Node, Node | null>, name) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #placeOf(node: Node | null): Place {
    return this.#lines.placeAt(node?.range?.[0] ?? 0);
  }
}

function styleOf({ type }: Scalar): ScalarStyle {
  switch (type) {
    case Scalar.QUOTE_DOUBLE:
      return 'double';
    case Scalar.QUOTE_SINGLE:
      return 'single';
    case Scalar.BLOCK_FOLDED:
    case Scalar.BLOCK_LITERAL:
      return 'block';
    default:
      return 'plain';
  }
}
