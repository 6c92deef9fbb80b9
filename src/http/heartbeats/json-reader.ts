/**
 * Reads JSON (RFC 8259) from bytes, value by value, without building objects: the reader of heartbeats writes what it
 * reads into messages at once. Strict: whatever `JSON.parse` refuses is refused, and names that cannot be UTF-8, too.
 *
 * After a mistake the rest of the same value can be skipped if its brackets, strings and commas are as they should be,
 * see {@link JsonReader.skipLeniently}. So an element of an array with a word that is no JSON value harms no other.
 */
import { isUtf8 } from 'node:buffer';
import { shortText } from '../../lib/foreign-text.ts';
import { jsonIn } from '../../lib/json.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** After the last byte. */
const END = -1;

/** Whole numbers of up to 15 digits are exact as doubles. */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power);
/** Characters of a text that errors show: the longest worker id. */
const MAX_NAME_SHOWN = 256;
/** Characters of a mistake that an error shows. */
const SHOWN = 24;

/** What is wrong with a value. One instance is thrown again and again: a stack trace costs more than reading a heartbeat. */
export class BadJson extends Error {
  /** For people: what was wrong, and what was expected. */
  detail = '';
  /** Whether it is JSON at all. */
  isJson = false;
}

const mistake = new BadJson('not a heartbeat as JSON');

/** The value is JSON, but not what was expected. @throws BadJson */
export function refuse(detail: string): never {
  mistake.detail = detail;
  mistake.isJson = true;
  throw mistake;
}

/** It is not JSON. @throws BadJson */
function refuseText(detail: string): never {
  mistake.detail = detail;
  mistake.isJson = false;
  throw mistake;
}

/** The names of an object's members, found by their bytes without making strings. */
export class Names {
  readonly all: readonly string[];
  readonly #bytes: readonly Buffer[];
  readonly #slots: Int16Array;

  /** @param all ASCII, at most 32: a set of them fits into the bits of a number */
  constructor(all: readonly string[]) {
    this.all = all;
    this.#bytes = all.map((name) => Buffer.from(name));
    this.#slots = slotsOf(this.#bytes);
  }

  /** The index of a name; -1 if it is none of these. @param hash of its bytes */
  indexOf(source: Uint8Array, from: number, to: number, hash: number): number {
    const index = this.#slots[hash & (this.#slots.length - 1)] as number;
    const name = this.#bytes[index];
    if (name === undefined || name.length !== to - from) return -1;
    for (let at = 0; at < name.length; at++) if (name[at] !== source[from + at]) return -1;
    return index;
  }
}

/** A table as large as it must be for each name to have a slot of its own. */
function slotsOf(names: readonly Buffer[]): Int16Array {
  for (let size = 32; ; size *= 2) {
    const slots = new Int16Array(size).fill(-1);
    const isFree = names.every((name, index) => {
      const slot = name.reduce(withByte, 0) & (size - 1);
      if (slots[slot] !== -1) return false;
      slots[slot] = index;
      return true;
    });
    if (isFree) return slots;
  }
}

function withByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/** For {@link JsonReader}'s errors: the member is named by the last string. */
export const LAST_NAME = '';

export class JsonReader {
  at = 0;
  /** For errors: the list in which the members are, and the index in it; empty: none. */
  list = '';
  index = 0;
  /** The last string: its bytes are those of `text` from `textFrom` to `textTo`. */
  text: Uint8Array = new Uint8Array();
  textFrom = 0;
  textTo = 0;
  #bytes: Uint8Array = new Uint8Array();
  #end = 0;

  /** @param bytes UTF-8 */
  start(bytes: Uint8Array, from = 0): void {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.at = from;
  }

  /** Lets go of the bytes. */
  stop(): void {
    this.start(new Uint8Array());
    this.text = this.#bytes;
  }

  get isAtEnd(): boolean {
    return this.#next() === END;
  }

  /** Whether the next value is an object. */
  get isObject(): boolean {
    return this.#next() === OPEN_OBJECT;
  }

  get isList(): boolean {
    return this.#next() === OPEN_LIST;
  }

  /** Passes `null`, if that is next. */
  passNull(): boolean {
    // n
    if (this.#next() !== 0x6e || !this.#isWord('null')) return false;
    this.at += 4;
    return true;
  }

  /** Begins an object or a list. @returns whether it has anything in it. @throws BadJson if the next value is another */
  open(what: string, isList: boolean): boolean {
    if (this.#next() !== (isList ? OPEN_LIST : OPEN_OBJECT)) this.#isNot(what, isList ? 'a list' : 'an object');
    this.at++;
    if (this.#next() !== (isList ? CLOSE_LIST : CLOSE_OBJECT)) return true;
    this.at++;
    return false;
  }

  /** After a value in an object or a list. @returns whether another one follows. @throws BadJson */
  more(isList: boolean): boolean {
    const next = this.#next();
    if (next === COMMA) {
      this.at++;
      return true;
    }
    if (next !== (isList ? CLOSE_LIST : CLOSE_OBJECT)) this.#unexpected(`"," or "${isList ? ']' : '}'}"`);
    this.at++;
    return false;
  }

  /** Reads the name of a member. @returns its index in `names`; -1 if it is another: then {@link string} tells it */
  name(names: Names): number {
    if (this.#next() !== QUOTE) this.#unexpected('the name of a member in double quotes');
    const bytes = this.#bytes;
    const from = this.at + 1;
    let hash = 0;
    for (let at = from; at < this.#end; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.text = bytes;
        this.textFrom = from;
        this.textTo = at;
        this.at = at + 1;
        this.#colon();
        return names.indexOf(bytes, from, at, hash);
      }
      if (byte < 0x20 || byte === BACKSLASH) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    this.#string();
    this.#colon();
    let decoded = 0;
    for (let at = this.textFrom; at < this.textTo; at++) decoded = withByte(decoded, this.text[at] as number);
    return names.indexOf(this.text, this.textFrom, this.textTo, decoded);
  }

  /** Reads the name of a member that may have any. */
  anyName(): void {
    if (this.#next() !== QUOTE) this.#unexpected('the name of a member in double quotes');
    this.#string();
    this.#colon();
  }

  /** The last string, or its beginning. */
  get string(): string {
    return shortText(Buffer.from(this.text.subarray(this.textFrom, this.textTo)).toString(), MAX_NAME_SHOWN);
  }

  /** Reads a string. @throws BadJson */
  readText(what: string): void {
    if (this.#next() !== QUOTE) this.#isNot(what, 'a text');
    this.#string();
  }

  /** @throws BadJson */
  readBoolean(what: string): boolean {
    const next = this.#next();
    for (const [first, word, value] of BOOLEANS) {
      if (next !== first || !this.#isWord(word)) continue;
      this.at += word.length;
      return value;
    }
    return this.#isNot(what, 'true or false');
  }

  /** Reads a finite number. @throws BadJson */
  readNumber(what: string): number {
    const first = this.#next();
    const start = this.at;
    const isNegative = first === MINUS;
    const bytes = this.#bytes;
    let at = isNegative ? start + 1 : start;
    const digitsFrom = at;
    let mantissa = 0;
    let byte = at < this.#end ? (bytes[at] as number) : END;
    while (byte >= ZERO && byte <= NINE) {
      mantissa = mantissa * 10 + (byte - ZERO);
      byte = ++at < this.#end ? (bytes[at] as number) : END;
    }
    const whole = at - digitsFrom;
    if (whole === 0 || (whole > 1 && bytes[digitsFrom] === ZERO)) this.#isNot(what, A_NUMBER);
    let decimals = 0;
    if (byte === POINT) {
      const from = ++at;
      byte = at < this.#end ? (bytes[at] as number) : END;
      while (byte >= ZERO && byte <= NINE) {
        mantissa = mantissa * 10 + (byte - ZERO);
        byte = ++at < this.#end ? (bytes[at] as number) : END;
      }
      decimals = at - from;
      if (decimals === 0) this.#isNot(what, A_NUMBER);
    }
    // e or E
    const hasExponent = (byte | 0x20) === 0x65 && byte !== END;
    if (hasExponent) at = this.#passExponent(what, at + 1);
    this.at = at;
    this.#endOfWord(what, start);
    if (!hasExponent && whole + decimals <= EXACT_DIGITS) {
      // Both are exact, so the quotient is the nearest double (Clinger, "How to read floating point numbers accurately").
      const value = decimals === 0 ? mantissa : mantissa / (POWERS_OF_TEN[decimals] as number);
      return isNegative ? -value : value;
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, at - start).toString('latin1');
    const value = Number(text);
    if (!Number.isFinite(value)) {
      refuse(`${this.pathOf(what)} is ${shortText(text, SHOWN)}, beyond the largest number of 64 bits`);
    }
    return value;
  }

  /** Whether the bytes from `from` on, up to here, are UTF-8. */
  isUtf8From(from: number): boolean {
    return isUtf8(this.#bytes.subarray(from, this.at));
  }

  /**
   * Passes the next value, whatever is in it: words other than the values of JSON are passed, too, such as NaN. Brackets,
   * strings, colons and commas must be as they should be.
   * @param id called with the text of each member of that name in an object that is not within another one
   * @returns whether it could be passed
   */
  skipLeniently(name: string, id: (text: string) => void): boolean {
    try {
      this.#skip(name, id);
      return true;
    } catch (error) {
      if (error instanceof BadJson) return false;
      throw error;
    }
  }

  #skip(name: string, onText: (text: string) => void): void {
    /** 1: a list. */
    let nesting = new Uint8Array(64);
    let depth = 0;
    for (;;) {
      // A value.
      const next = this.#next();
      if (next === OPEN_OBJECT || next === OPEN_LIST) {
        const isList = next === OPEN_LIST;
        if (depth === nesting.length) {
          const deeper = new Uint8Array(2 * depth);
          deeper.set(nesting);
          nesting = deeper;
        }
        if (this.open('', isList)) {
          nesting[depth++] = Number(isList);
          this.#skipName(name, onText, depth, isList);
          continue;
        }
      } else if (next === QUOTE) this.#skipString();
      else this.#skipWord();
      // What follows it.
      for (;;) {
        if (depth === 0) return;
        const isList = nesting[depth - 1] === 1;
        if (this.more(isList)) {
          this.#skipName(name, onText, depth, isList);
          break;
        }
        depth--;
      }
    }
  }

  #skipName(name: string, onText: (text: string) => void, depth: number, isList: boolean): void {
    if (isList) return;
    if (this.#next() !== QUOTE) this.#unexpected('the name of a member in double quotes');
    this.#skipString();
    this.#colon();
    if (depth !== 1 || this.string !== name || this.#next() !== QUOTE) return;
    const start = this.at;
    this.#skipString();
    const text = jsonIn(`"${this.string}"`);
    if (typeof text === 'string' && text.isWellFormed()) onText(text);
    this.at = start;
  }

  /** Passes a string as it is written, whatever is in it. */
  #skipString(): void {
    const from = this.at + 1;
    let at = from;
    while (at < this.#end && this.#bytes[at] !== QUOTE) at += this.#bytes[at] === BACKSLASH ? 2 : 1;
    if (at >= this.#end) refuseText(`a text that begins at byte ${from - 1} does not end`);
    this.text = this.#bytes;
    this.textFrom = from;
    this.textTo = at;
    this.at = at + 1;
  }

  #skipWord(): void {
    const start = this.at;
    while (this.at < this.#end && isWordByte(this.#bytes[this.at] as number)) this.at++;
    if (this.at === start) this.#unexpected('a value');
  }

  /** @returns the next byte that is no blank, which is at `at` then */
  #next(): number {
    const bytes = this.#bytes;
    while (this.at < this.#end) {
      const byte = bytes[this.at] as number;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return byte;
      this.at++;
    }
    return END;
  }

  #colon(): void {
    if (this.#next() !== COLON) this.#unexpected('":"');
    this.at++;
  }

  /** Reads a string, whose quote is next. */
  #string(): void {
    const bytes = this.#bytes;
    const from = this.at + 1;
    let at = from;
    let hasEscape = false;
    for (; at < this.#end; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) break;
      if (byte < 0x20) {
        this.at = at;
        refuseText(`a text has a control character at byte ${at} that is not escaped`);
      }
      if (byte !== BACKSLASH) continue;
      hasEscape = true;
      at++;
    }
    if (at >= this.#end) refuseText(`a text that begins at byte ${from - 1} does not end`);
    this.text = bytes;
    this.textFrom = from;
    this.textTo = at;
    this.at = at + 1;
    if (hasEscape) this.#unescape(from, at);
  }

  #unescape(from: number, to: number): void {
    let text: string;
    try {
      const quoted = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from - 1, to - from + 2);
      text = JSON.parse(quoted.toString()) as string;
    } catch {
      refuseText(`a text that begins at byte ${from - 1} has an unknown escape`);
    }
    if (!text.isWellFormed()) refuse(`a text that begins at byte ${from - 1} has half of a surrogate pair`);
    this.text = Buffer.from(text);
    this.textFrom = 0;
    this.textTo = this.text.length;
  }

  #passExponent(what: string, from: number): number {
    const bytes = this.#bytes;
    let at = from;
    // + or -
    if (at < this.#end && (bytes[at] === 0x2b || bytes[at] === MINUS)) at++;
    const digitsFrom = at;
    while (at < this.#end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++;
    if (at === digitsFrom) this.#isNot(what, A_NUMBER);
    return at;
  }

  /** A number such as 12abc is none. */
  #endOfWord(what: string, start: number): void {
    if (this.at >= this.#end || !isWordByte(this.#bytes[this.at] as number)) return;
    this.at = start;
    this.#isNot(what, A_NUMBER);
  }

  #isWord(word: string): boolean {
    const end = this.at + word.length;
    if (end > this.#end || (end < this.#end && isWordByte(this.#bytes[end] as number))) return false;
    for (let index = 0; index < word.length; index++) {
      if (this.#bytes[this.at + index] !== word.charCodeAt(index)) return false;
    }
    return true;
  }

  #unexpected(expected: string): never {
    const next = this.#next();
    if (next === END) return refuseText(`the body ends at byte ${this.at}, expected ${expected}`);
    return refuseText(`${this.#shown()} at byte ${this.at}, expected ${expected}`);
  }

  /** The next value is not what was expected. */
  #isNot(what: string, expected: string): never {
    const given = this.#shown();
    const start = this.at;
    // A value of JSON is only of the wrong kind.
    if (this.#isValue()) return refuse(`${this.pathOf(what)} is ${given}, expected ${expected}`);
    const isNone = /^[+-]?(?:nan|inf(?:inity)?)$/i.test(given);
    const why = isNone ? ', which JSON does not have; leave out what could not be measured' : `, expected ${expected}`;
    return refuseText(`${this.pathOf(what)} is ${given} (at byte ${start})${why}`);
  }

  /** Whether the next value is JSON, as far as its first word shows. */
  #isValue(): boolean {
    const next = this.#next();
    if (next === OPEN_OBJECT || next === OPEN_LIST || next === QUOTE) return true;
    const start = this.at;
    while (this.at < this.#end && isWordByte(this.#bytes[this.at] as number)) this.at++;
    const word = Buffer.from(this.#bytes.subarray(start, this.at)).toString('latin1');
    this.at = start;
    return jsonIn(word) !== undefined;
  }

  /** A member as errors name it. */
  pathOf(what: string): string {
    const name = what === LAST_NAME ? this.string : what;
    return this.list === '' ? name : `${this.list}${this.index < 0 ? '' : `[${this.index}]`}.${name}`;
  }

  /** The next value, for an error. */
  #shown(): string {
    switch (this.#next()) {
      case END:
        return 'cut off';
      case OPEN_OBJECT:
        return 'an object';
      case OPEN_LIST:
        return 'a list';
      case QUOTE:
        return 'a text';
      default:
    }
    let end = this.at;
    while (end < this.#end && end - this.at <= SHOWN && isWordByte(this.#bytes[end] as number)) end++;
    if (end === this.at) return JSON.stringify(String.fromCharCode(this.#bytes[this.at] as number));
    const word = Buffer.from(this.#bytes.subarray(this.at, Math.min(end, this.at + SHOWN))).toString('latin1');
    return end - this.at > SHOWN ? `${word}…` : word;
  }
}

const A_NUMBER = 'a number';
const BOOLEANS = [
  [0x74, 'true', true],
  [0x66, 'false', false],
] as const;

/** Letters, digits and + - . _ */
function isWordByte(byte: number): boolean {
  return (
    (byte >= ZERO && byte <= NINE) ||
    ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
    byte === 0x2b ||
    byte === MINUS ||
    byte === POINT ||
    byte === 0x5f
  );
}
