/**
 * One case of the fuzz: a heartbeat that was valid, changed, given to everything of ours that reads heartbeats, and held
 * to the full library.
 */

import { isDeepStrictEqual } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { HeartbeatSchema } from '../../../src/gen/pulselane/v1/telemetry_pb.ts';
import {
  type DecodedHeartbeat,
  decodeHeartbeat,
  decodeNext,
  decodeWhole,
  MalformedHeartbeat,
  type ReadHeartbeat,
} from '../../../src/lane/decode.ts';
import { FrameBatch } from '../../../src/lane/frames.ts';
import { KnownTasks } from '../../../src/lane/known-tasks.ts';
import { Lane } from '../../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../../src/lane/messages.ts';
import { WireReader } from '../../../src/lane/wire-reader.ts';
import { PulselaneError } from '../../../src/lib/errors.ts';
import { type HeartbeatHead, scanHeartbeat } from '../../../src/model/heartbeat-scan.ts';
import { workerIdProblem } from '../../../src/model/worker-id.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../../src/store/apply-times.ts';
import { allocatePublications, Publications } from '../../../src/store/publications.ts';
import { UNLIMITED } from '../../../src/store/record-allowance.ts';
import { SlotReader } from '../../../src/store/slot-reader.ts';
import { newSlot } from '../../../src/store/slot-writer.ts';
import { expectedHeartbeat } from '../../support/expected-heartbeat.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { heartbeatMessages } from '../../support/heartbeat-messages.ts';
import { mutate, mutations } from './mutations.ts';

export interface FuzzCase {
  /** As it was before it was changed. */
  readonly valid: Uint8Array;
  readonly bytes: Uint8Array;
  readonly kinds: readonly string[];
}

/** Ids that hold nothing which main would refuse anyhow, so that cases get past it. */
const messages = heartbeatMessages.map((message) =>
  workerIdProblem(message.workerId) === undefined ? message : create(HeartbeatSchema, { ...message, workerId: 'w' }),
);

export const fuzzCases: fc.Arbitrary<FuzzCase> = fc
  .tuple(messages, messages, mutations)
  .map(([message, other, changes]) => {
    const valid = toBinary(HeartbeatSchema, message);
    const bytes = mutate(valid, toBinary(HeartbeatSchema, other), changes);
    return { valid, bytes, kinds: changes.map(({ kind }) => kind) };
  });

/** What became of cases: a fuzz of which nearly all are refused at the first byte would prove little. */
export interface Outcomes {
  read: number;
  refusedByMain: number;
  refusedByLane: number;
}

/** @throws if anything but a rejection comes of it, or something else than the library reads. */
export function checkCase({ valid, bytes }: FuzzCase, outcomes: Outcomes): void {
  const head = outcomeOf(() => scanHeartbeat(Buffer.from(bytes)), isRefusal);
  const decoded = outcomeOf(() => decodeHeartbeat(bytes), isMalformed);
  checkBounds(bytes, decoded);
  checkKnownTasks(valid, bytes, decoded);
  if (head instanceof Error) {
    outcomes.refusedByMain++;
  } else if (decoded instanceof Error) {
    outcomes.refusedByLane++;
  } else {
    outcomes.read++;
    checkRead(bytes, head, decoded);
  }
}

/**
 * Both are stricter than the library, and each of them does not read what only the other needs: where a field has a
 * wrong wire type they may find other ends than it does. Together they let nothing pass that it reads otherwise.
 */
function checkRead(bytes: Uint8Array, head: HeartbeatHead, decoded: DecodedHeartbeat): void {
  const message = fromBinary(HeartbeatSchema, bytes);
  const reference = expectedHeartbeat(message);
  if (!isDeepStrictEqual(comparable(decoded), comparable(reference))) {
    fail('the lane reads otherwise than the library', { decoded, reference });
  }
  const { workerId, instanceId, leaving, hostLoopLagMs, lastRoundTripMs } = message;
  const expected = {
    workerId,
    instanceId,
    leaving,
    hostLoopLagMs,
    lastRoundTripMs,
    sequence: Number(message.sequence),
  };
  const read = Object.fromEntries(Object.keys(expected).map((name) => [name, head[name as keyof HeartbeatHead]]));
  if (!isDeepStrictEqual(read, expected)) fail('main reads otherwise than the library', { read, expected });
}

/** An object cannot hold this name, so the library loses it; a map of ours does not. */
function comparable(heartbeat: DecodedHeartbeat): unknown {
  const metrics = new Map(heartbeat.metrics);
  metrics.delete('__proto__');
  return { ...heartbeat, metrics: new Map([...metrics].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** In the midst of other bytes, whatever they are, a message reads as it does alone: nothing beyond its ends is looked at. */
function checkBounds(bytes: Uint8Array, alone: DecodedHeartbeat | Error): void {
  for (const filler of [0x00, 0x7f, 0x80, 0xff]) {
    const around = Buffer.alloc(bytes.length + 48, filler);
    around.set(bytes, 24);
    const reader = new WireReader(around);
    reader.choose(24, 24 + bytes.length);
    const amid = outcomeOf(() => decodeWhole(reader), isMalformed);
    if (!isSame(alone, amid)) fail(`reads otherwise amid bytes of ${filler}`, { alone, amid });
    const scanned = around.subarray(24, 24 + bytes.length);
    const head = outcomeOf(() => scanHeartbeat(scanned).workerId, isRefusal);
    const headAlone = outcomeOf(() => scanHeartbeat(Buffer.from(bytes)).workerId, isRefusal);
    if (!isSame(head, headAlone)) fail(`main reads otherwise amid bytes of ${filler}`, { head, headAlone });
  }
}

/** What a lane remembers of the heartbeat before changes nothing of how the next one reads. */
function checkKnownTasks(valid: Uint8Array, bytes: Uint8Array, alone: DecodedHeartbeat | Error): void {
  const before = decodeHeartbeat(valid);
  const known = new KnownTasks();
  known.learn(new WireReader(valid));
  const next = outcomeOf<ReadHeartbeat>(() => decodeNext(new WireReader(bytes), before.workerId, known), isMalformed);
  const whole = next instanceof Error ? next : { ...next, runningTasks: next.runningTasks ?? before.runningTasks };
  if (!isSame(alone, whole)) fail('reads otherwise after a heartbeat that is known', { alone, whole });
}

/** A lane that serves two workers, of which one sends what was changed. */
export class PoisonedLane {
  readonly #deliver: (message: ToLane) => void;
  readonly #slots = new Map<number, SlotReader>();
  #ordinal = 0;

  constructor() {
    let deliver: (message: ToLane) => void = () => {};
    const port = {
      postMessage: (message: FromLane) => {
        if (message.type === 'grown') this.#slots.set(message.slot, new SlotReader(message.memory));
      },
      onMessage: (listener: (message: ToLane) => void) => {
        deliver = listener;
      },
      close: () => {},
    };
    const publications = new Publications(allocatePublications(3));
    new Lane(port, {
      clock: new FakeClock(),
      allowance: UNLIMITED,
      publications,
      applyTimes: new ApplyTimesWriter(allocateApplyTimes(), 0),
    });
    this.#deliver = (message) => deliver(message);
    for (const [slot, workerId] of [
      [1, 'w'],
      [2, 'healthy'],
    ] as const) {
      const memory = newSlot(workerId, 4);
      this.#slots.set(slot, new SlotReader(memory));
      this.#deliver({ type: 'serve', slot, occupant: 1, workerId, memory });
    }
  }

  /** @throws if a record is no JSON then, or the healthy worker's is not its own. */
  check(bytes: Uint8Array): void {
    const ordinal = ++this.#ordinal;
    const healthy = { workerId: 'healthy', cpuUsage: ordinal % 100, metrics: { ordinal } };
    const batch = new FrameBatch();
    const add = (slot: number, of: Uint8Array) =>
      batch.add({ slot, ordinal, receivedMonotonicMs: 1, receivedUnixMs: 2000, sampleFlags: 0, bytes: of });
    add(1, bytes);
    add(2, toBinary(HeartbeatSchema, create(HeartbeatSchema, healthy)));
    this.#deliver({ type: 'heartbeats', frames: batch.take() });

    const poisoned = this.#record(1);
    if (poisoned.worker_id !== 'w') fail('the record is of another worker', poisoned);
    const record = this.#record(2);
    if (record.cpu_usage !== healthy.cpuUsage || record.metrics?.ordinal !== ordinal) {
      fail('the neighbour lost its heartbeat', record);
    }
    if (this.#slot(1).taken !== ordinal) fail('the heartbeat was not taken', this.#slot(1).taken);
  }

  #slot(slot: number): SlotReader {
    return this.#slots.get(slot) as SlotReader;
  }

  #record(slot: number): { worker_id: string; cpu_usage: number; metrics?: Record<string, number> } {
    return JSON.parse(`${this.#slot(slot).json('')}}`);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof PulselaneError && error.code === 'invalid_argument';
}

function isMalformed(error: unknown): boolean {
  return error instanceof MalformedHeartbeat;
}

/** What is made, or the error if it is one that may be. */
function outcomeOf<T>(make: () => T, mayThrow: (error: unknown) => boolean): T | Error {
  try {
    return make();
  } catch (error) {
    if (!mayThrow(error)) throw new Error(`threw what is no rejection: ${error}`, { cause: error });
    return error as Error;
  }
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Error && b instanceof Error) return a.message === b.message;
  return isDeepStrictEqual(a, b);
}

function fail(what: string, details: unknown): never {
  throw new Error(what, { cause: details });
}
