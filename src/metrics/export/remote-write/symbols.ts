/**
 * Texts and labels that many series share: each exists once, with its bytes. What no series of the last round has is forgotten.
 */

/** A text. */
export interface Text {
  readonly bytes: Uint8Array;
  /** The message for which `index` counts: see write-v2.ts. */
  message: number;
  index: number;
  usedRound: number;
}

export interface SharedLabel {
  readonly name: Text;
  readonly value: Text;
  /** As an element of `TimeSeries.labels` of version 1.0. */
  readonly v1: Uint8Array;
  usedRound: number;
}

/** Memory of each besides its characters, roughly: objects, places in maps, keys. */
const TEXT_BYTES = 220;
const LABEL_BYTES = 280;

/** Forgetting looks at all of them, so it waits until there are this many more than are needed. */
const SPARE = 10_000;

export class Symbols {
  readonly #texts = new Map<string, Text>();
  readonly #labels = new Map<string, SharedLabel>();
  #round = 0;
  #kept = 0;
  #madeBytes = 0;

  /** Memory of all that were ever made, roughly. */
  get madeBytes(): number {
    return this.#madeBytes;
  }

  get size(): number {
    return this.#texts.size + this.#labels.size;
  }

  text(text: string): Text {
    let known = this.#texts.get(text);
    if (known === undefined) {
      known = { bytes: Buffer.from(text), message: -1, index: 0, usedRound: this.#round };
      this.#texts.set(text, known);
      this.#madeBytes += TEXT_BYTES + 2 * known.bytes.length;
    }
    known.usedRound = this.#round;
    return known;
  }

  label(name: string, value: string): SharedLabel {
    const key = `${name.length} ${name}${value}`;
    let known = this.#labels.get(key);
    if (known === undefined) {
      const texts = { name: this.text(name), value: this.text(value) };
      known = { ...texts, v1: labelV1(texts.name.bytes, texts.value.bytes), usedRound: this.#round };
      this.#labels.set(key, known);
      this.#madeBytes += LABEL_BYTES + 2 * known.v1.length;
    }
    this.use(known);
    return known;
  }

  /** A series of this round has it. */
  use(label: SharedLabel): void {
    label.usedRound = this.#round;
    label.name.usedRound = this.#round;
    label.value.usedRound = this.#round;
  }

  useText(text: Text): void {
    text.usedRound = this.#round;
  }

  /** All series of the round have called `use`. */
  endRound(): void {
    if (this.size > 2 * this.#kept + SPARE) {
      forget(this.#texts, this.#round);
      forget(this.#labels, this.#round);
      this.#kept = this.size;
    }
    this.#round++;
  }
}

function forget(all: Map<string, { readonly usedRound: number }>, round: number): void {
  for (const [key, { usedRound }] of all) if (usedRound < round) all.delete(key);
}

/** `Label { string name = 1; string value = 2; }` as field 1 of its series, with tag and length. */
function labelV1(name: Uint8Array, value: Uint8Array): Uint8Array {
  const inside = [...textField(1, name), ...textField(2, value)];
  return Uint8Array.from([0x0a, ...varint(inside.length), ...inside]);
}

function textField(field: number, bytes: Uint8Array): number[] {
  return [(field << 3) | 2, ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
