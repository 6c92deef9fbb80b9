import fc from 'fast-check';
import { expect, test } from 'vitest';
import { claimProblem, type GivenToLane } from '../../src/engine/lanes/lane-claims.ts';
import type { FromLane } from '../../src/lane/messages.ts';
import { SlotWord } from '../../src/store/layout.ts';
import { SlotReader } from '../../src/store/slot-reader.ts';
import { MOST_RING_SAMPLES } from '../../src/store/slot-ring.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { repetitions } from '../support/repetitions.ts';

const RING = 4;
const MAX_SLOT_BYTES = 64 * 1024;
const [ROW, OCCUPANT] = [3, 7];

/** A slot that has grown as a lane grows it. */
function grownFrom(memory: SharedArrayBuffer, jsonBytes: number): SharedArrayBuffer {
  const writer = new SlotWriter(memory);
  writer.take(1);
  const numbers = new Proxy({}, { get: () => 1 }) as Parameters<SlotWriter['publish']>[0];
  return writer.publish(numbers, 'x'.repeat(jsonBytes)) ?? memory;
}

const SLOT = newSlot('w', RING);
const GROWN = grownFrom(SLOT, 5000);

function given(facts: Partial<GivenToLane> = {}): GivenToLane {
  const slot = new SlotReader(SLOT);
  return {
    isReady: true,
    nextToLeave: ROW,
    workerAt: (row, occupant) => (row === ROW && occupant === OCCUPANT ? { slot } : undefined),
    maxSlotBytes: MAX_SLOT_BYTES,
    ...facts,
  };
}

const grown = (memory: unknown = GROWN) => ({ type: 'grown', slot: ROW, occupant: OCCUPANT, memory });
const ACCEPTED = { type: 'accepted', slot: ROW, occupant: OCCUPANT, metric: 'cpu_usage', value: 50, wasUsual: 20 };
const FAILED = { type: 'failed', cause: 'crash', reason: 'x', slot: undefined, occupant: undefined };

test('a message of a lane about a worker that it was given, at a permitted time, is valid', () => {
  expect(claimProblem({ type: 'ready' }, given({ isReady: false }))).toBeUndefined();
  expect(claimProblem(grown(), given())).toBeUndefined();
  // With as large a ring as its worker's pace calls for.
  expect(claimProblem(grown(newSlot('w', 2 * RING)), given())).toBeUndefined();
  expect(claimProblem({ type: 'left', slot: ROW }, given())).toBeUndefined();
  expect(claimProblem(ACCEPTED, given())).toBeUndefined();
  expect(claimProblem(FAILED, given({ isReady: false }))).toBeUndefined();
  expect(claimProblem({ ...FAILED, cause: 'memory', slot: 99, occupant: 1 }, given())).toBeUndefined();
});

const wrongLayout = (change: (control: Int32Array) => void) => {
  const memory = new SharedArrayBuffer(GROWN.byteLength);
  new Uint8Array(memory).set(new Uint8Array(GROWN));
  change(new Int32Array(memory));
  return grown(memory);
};

test.each<[what: string, message: unknown, facts?: Partial<GivenToLane>]>([
  ['of a new normal of a worker that it does not serve', { ...ACCEPTED, occupant: OCCUPANT + 1 }],
  ['of a new normal of no metric', { ...ACCEPTED, metric: 7 }],
  ['of a new normal of a metric with an endless name', { ...ACCEPTED, metric: 'x'.repeat(10_000) }],
  ['of a new normal that is no number', { ...ACCEPTED, value: 'much' }],
  ['of a new normal before it was ready', ACCEPTED, { isReady: false }],
  ['nothing', null],
  ['nothing at all', undefined],
  ['a text', 'ready'],
  ['an object without a type', {}],
  ['a type that there is not', { type: 'constructor' }],
  ['that it is ready again', { type: 'ready' }],
  ['of a slot before it is ready', grown(), { isReady: false }],
  ['of leaving before it is ready', { type: 'left', slot: ROW }, { isReady: false }],
  ['of a slot of another row', { ...grown(), slot: 4 }],
  ['of a slot of an earlier occupant', { ...grown(), occupant: OCCUPANT - 1 }],
  ['of a slot of a row that is a text', { ...grown(), slot: String(ROW) }],
  ['of a slot that is none', grown(null)],
  ['of a slot that is not shared', grown(new ArrayBuffer(GROWN.byteLength))],
  ['of a slot that looks shared', grown({ byteLength: GROWN.byteLength })],
  ['of a slot that may change its size', grown(new SharedArrayBuffer(8192, { maxByteLength: 16384 }))],
  ['of a slot as large as before', grown(newSlot('w', RING))],
  ['of a slot that is too large', grown(grownFrom(SLOT, MAX_SLOT_BYTES))],
  ['of a slot of odd size', grown(new SharedArrayBuffer(GROWN.byteLength - 1))],
  ['of a slot without a layout', grown(new SharedArrayBuffer(GROWN.byteLength))],
  [
    'of a slot with a ring that none can have',
    wrongLayout((control) => {
      control[SlotWord.ringCapacity] = RING + 1;
    }),
  ],
  [
    'of a slot with a ring larger than any may be',
    wrongLayout((control) => {
      control[SlotWord.ringCapacity] = 2 * MOST_RING_SAMPLES;
    }),
  ],
  [
    'of a slot with so many columns of metrics as none can have',
    wrongLayout((control) => {
      control[SlotWord.metricColumns] = 3;
    }),
  ],
  [
    'of a slot with more names of metrics than columns',
    wrongLayout((control) => {
      control[SlotWord.metricKeys] = 1;
    }),
  ],
  [
    'of a slot that claims to hold more',
    wrongLayout((control) => {
      control[2] = 2 ** 30;
    }),
  ],
  [
    'of a slot that claims to hold less than nothing',
    wrongLayout((control) => {
      control[2] = -64;
    }),
  ],
  ['of leaving another row', { type: 'left', slot: 4 }],
  ['of leaving when it was not told to', { type: 'left', slot: ROW }, { nextToLeave: undefined }],
  ['of an end by a cause that is seen from outside', { ...FAILED, cause: 'stall' }],
  ['of an end by no cause', { ...FAILED, cause: '__proto__' }],
  ['of an end without a text', { ...FAILED, reason: { length: 3 } }],
  ['of an end because of a worker that is a text', { ...FAILED, slot: 'w' }],
])('a message %s is invalid', (_, message, facts) => {
  expect(claimProblem(message, given(facts))).toMatch(/^it sent /);
});

test('any message of a lane is either valid or rejected, and never throws', () => {
  const names = ['type', 'slot', 'occupant', 'memory', 'cause', 'reason'];
  const value = fc.oneof(
    fc.constantFrom('ready', 'grown', 'left', 'failed', 'crash', ROW, OCCUPANT, GROWN, SLOT),
    fc.anything(),
  );
  const message = fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...names), value));
  fc.assert(
    fc.property(message, (said) => {
      if (claimProblem(said, given()) !== undefined) return;
      const claim = said as FromLane;
      if (claim.type === 'grown') expect([claim.slot, claim.occupant, claim.memory]).toEqual([ROW, OCCUPANT, GROWN]);
      else if (claim.type === 'left') expect(claim.slot).toBe(ROW);
      else expect(claim).toMatchObject({ type: 'failed', cause: 'crash', reason: expect.any(String) });
    }),
    { numRuns: repetitions(2000, 100_000) },
  );
});
