/**
 * Writes the series of workers in one format. Of each line only the worker's id and the value are not constant, so everything
 * else is made once per family.
 */

import type { Format } from '../exposition/format.ts';
import { familyAround, labelBytes, numberAround } from '../exposition/protobuf.ts';
import { escapeQuoted, exposedName, familyHeader, numberText, seriesStart, textEnd } from '../exposition/text.ts';
import type { Family, Label } from '../family.ts';
import type { StateFamily } from '../workers/families.ts';

/** What all series of a worker have in common, as text. */
export type WorkerText = string;
/** A set of labels, as text: the same for all families of one type without a quoted name. */
export type LabelsText = string;

/** Texts are to be encoded as `encoding` says: bytes of protobuf are characters up to U+00FF. */
export interface Lines {
  readonly encoding: 'utf8' | 'latin1';
  worker(workerId: string): WorkerText;
  labels(family: Family, labels: readonly Label[]): LabelsText;
  /** @returns writes a series whose only label is `worker` */
  number(family: Family): (worker: WorkerText, value: number) => string;
  /** @returns writes the series of all states */
  states(family: StateFamily): (worker: WorkerText, index: number) => string;
  /** @returns writes a series with these labels */
  labelled(family: Family): (labels: LabelsText, value: number) => string;
  /** What stands before and behind the series of a family. */
  around(family: Family, seriesBytes: number): { readonly before: Uint8Array; readonly behind: Uint8Array };
  /** What stands behind all families. */
  readonly end: Uint8Array;
}

export function linesIn(format: Format): Lines {
  return format.syntax === 'protobuf' ? protobufLines(format) : textLines(format);
}

const NOTHING = new Uint8Array(0);
/** No worker id has a control character, so it stands where the id belongs. Names may have one, but stand before it. */
const PLACE = '\0';

function textLines(format: Format): Lines {
  const aroundId = (family: Family, more: readonly Label[] = []) => {
    const start = seriesStart(family, [['worker', PLACE], ...more], format);
    const at = start.lastIndexOf(PLACE);
    return { head: start.slice(0, at), tail: start.slice(at + PLACE.length) };
  };
  return {
    encoding: 'utf8',
    worker: escapeQuoted,
    labels: (family, labels) => seriesStart(family, labels, format).slice(exposedName(family, format).length),
    number(family) {
      const { head, tail } = aroundId(family);
      return (worker, value) => `${head}${worker}${tail}${numberText(value)}\n`;
    },
    states(family) {
      const parts = family.states.map((state) => aroundId(family, [[family.stateLabel, state]]));
      return (worker, index) => {
        let text = '';
        for (let at = 0; at < parts.length; at++) {
          const { head, tail } = parts[at] as (typeof parts)[number];
          text += head + worker + tail + (at === index ? '1\n' : '0\n');
        }
        return text;
      };
    },
    labelled(family) {
      const name = exposedName(family, format);
      return (labels, value) => `${name}${labels}${numberText(value)}\n`;
    },
    around: (family) => ({ before: Buffer.from(familyHeader(family, format)), behind: NOTHING }),
    end: Buffer.from(textEnd(format)),
  };
}

function protobufLines(format: Format): Lines {
  const labelsText = (labels: readonly Label[]) => latin1(labelBytes(labels, format));
  /** By type, for each number of bytes that labels have taken so far. */
  const writerOf = ({ type }: Family) => {
    const around: { readonly before: string; readonly between: string }[] = [];
    return (labels: LabelsText, value: number) => {
      const { length } = labels;
      if (around[length] === undefined) {
        const { before, between } = numberAround(type, length);
        around[length] = { before: latin1(before), between: latin1(between) };
      }
      return around[length].before + labels + around[length].between + doubleText(value);
    };
  };
  return {
    encoding: 'latin1',
    worker: (workerId) => labelsText([['worker', workerId]]),
    labels: (_, labels) => labelsText(labels),
    number: writerOf,
    states(family) {
      const states = family.states.map((state) => labelsText([[family.stateLabel, state]]));
      const write = writerOf(family);
      return (worker, index) => states.map((state, at) => write(worker + state, Number(at === index))).join('');
    },
    labelled: writerOf,
    around: (family, seriesBytes) => familyAround(family, seriesBytes, format),
    end: NOTHING,
  };
}

const scratch = Buffer.alloc(8);

function doubleText(value: number): string {
  scratch.writeDoubleLE(value);
  return scratch.toString('latin1');
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
