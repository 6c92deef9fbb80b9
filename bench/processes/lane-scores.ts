/** Two lanes in this process, one that scores each sample and one that does not, in turn. */
import { FrameBatch } from '../../src/lane/frames.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Port } from '../../src/lib/ports.ts';
import { STATE_BYTES } from '../../src/model/anomaly/state.ts';
import { slotBytes } from '../../src/store/layout.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { viewSlot } from '../../src/store/slot-memory.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { answerParent } from '../lib/child.ts';
import { Fleet, messageOf } from '../load/fleet.ts';

export interface LaneScores {
  /** For one heartbeat: medians over the rounds. */
  readonly withNs: number;
  readonly withoutNs: number;
  /** What the model remembers of one metric. */
  readonly stateBytes: number;
  /** By how much a slot with rings of 64 samples is larger because samples are scored. */
  readonly slotBytes: number;
}

const ROUNDS = 15;
const BATCH = 100;
/** With CPU, memory and storage, these are 8. */
const CUSTOM_METRICS = 5;
const RING_SAMPLES = 64;

const calls = {
  async measure(heartbeats: number): Promise<LaneScores> {
    const [scoring, plain] = [newLane(true), newLane(false)];
    const ofRound = heartbeats / ROUNDS;
    for (const lane of [scoring, plain]) lane.take(heartbeats);
    const [withNs, withoutNs]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      withNs.push(scoring.take(ofRound));
      withoutNs.push(plain.take(ofRound));
    }
    const [scored, unscored] = [scoring.slotBytes(), plain.slotBytes()];
    return {
      withNs: medianOf(withNs),
      withoutNs: medianOf(withoutNs),
      stateBytes: STATE_BYTES,
      slotBytes: scored - unscored,
    };
  },
};
export type LaneScoresCalls = typeof calls;

answerParent(calls, async () => {});

function newLane(isScored: boolean) {
  let deliver: (message: ToLane) => void = () => {};
  let memory = newSlot('worker-0', RING_SAMPLES, undefined, isScored);
  const port: Port<ToLane, FromLane> = {
    onMessage: (handle) => {
      deliver = handle;
    },
    postMessage: (message) => {
      if (message.type === 'grown') memory = message.memory;
    },
    close: () => {},
  };
  const publications = new Publications(allocatePublications(1));
  new Lane(port, { clock: systemClock, allowance: UNLIMITED, publications, applyTimes: { record() {} } });
  deliver({ type: 'serve', slot: 0, occupant: 1, workerId: 'worker-0', memory });
  const fleet = new Fleet(1, 'pulselane', undefined, CUSTOM_METRICS);
  const batch = new FrameBatch();
  let ordinal = 0;
  return {
    slotBytes: () => slotBytes(viewSlot(memory).size),
    /** Takes so many heartbeats of four tasks. @returns the time for each in ns */
    take(heartbeats: number): number {
      let tookMs = 0;
      for (let sent = 0; sent < heartbeats; sent += BATCH) {
        for (let frame = 0; frame < BATCH; frame++) {
          // As from a worker that sends every 5 s.
          const nowMs = ++ordinal * 5000;
          const times = { receivedMonotonicMs: nowMs, receivedUnixMs: nowMs };
          batch.add({ slot: 0, ordinal, ...times, sampleFlags: 0, bytes: messageOf(fleet.next(0)) });
        }
        const frames = batch.take();
        const beganMs = performance.now();
        deliver({ type: 'heartbeats', frames });
        tookMs += performance.now() - beganMs;
      }
      return (tookMs * 1e6) / heartbeats;
    },
  };
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
