/** Two lanes in this process, one that records how long heartbeats take and one that does not, in turn. */
import { FrameBatch } from '../../src/lane/frames.ts';
import { Lane, type LaneOptions } from '../../src/lane/lane.ts';
import type { FromLane, ToLane } from '../../src/lane/messages.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Port } from '../../src/lib/ports.ts';
import { ApplyTimesWriter, allocateApplyTimes } from '../../src/store/apply-times.ts';
import { allocatePublications, Publications } from '../../src/store/publications.ts';
import { UNLIMITED } from '../../src/store/record-allowance.ts';
import { newSlot } from '../../src/store/slot-writer.ts';
import { answerParent } from '../lib/child.ts';
import { Fleet, messageOf } from '../load/fleet.ts';

export interface LaneTimes {
  /** For one heartbeat: medians over the rounds. */
  readonly withNs: number;
  readonly withoutNs: number;
}

const ROUNDS = 15;
const BATCH = 100;
/** Heartbeats come with times spread like this, so that they fall into many buckets. */
const SPREAD_MS = 0.5;

const calls = {
  async measure(heartbeats: number): Promise<LaneTimes> {
    const recording = newLane(new ApplyTimesWriter(allocateApplyTimes(), 0));
    const plain = newLane({ record() {} });
    const ofRound = heartbeats / ROUNDS;
    for (const lane of [recording, plain]) lane(heartbeats);
    const [withNs, withoutNs]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      withNs.push(recording(ofRound));
      withoutNs.push(plain(ofRound));
    }
    return { withNs: medianOf(withNs), withoutNs: medianOf(withoutNs) };
  },
};
export type LaneTimesCalls = typeof calls;

answerParent(calls, async () => {});

/** @returns takes so many heartbeats of four tasks, and returns the time for each in ns */
function newLane(applyTimes: LaneOptions['applyTimes']): (heartbeats: number) => number {
  let deliver: (message: ToLane) => void = () => {};
  const port: Port<ToLane, FromLane> = {
    onMessage: (handle) => {
      deliver = handle;
    },
    postMessage: () => {},
    close: () => {},
  };
  const publications = new Publications(allocatePublications(1));
  new Lane(port, { clock: systemClock, allowance: UNLIMITED, publications, applyTimes });
  deliver({ type: 'serve', slot: 0, occupant: 1, workerId: 'worker-0', memory: newSlot('worker-0') });
  const fleet = new Fleet(1, 'pulselane');
  const batch = new FrameBatch();
  let ordinal = 0;
  return (heartbeats) => {
    let tookMs = 0;
    for (let sent = 0; sent < heartbeats; sent += BATCH) {
      for (let frame = 0; frame < BATCH; frame++) {
        const nowMs = systemClock.monotonicMs() - Math.random() * SPREAD_MS;
        const times = { receivedMonotonicMs: nowMs, receivedUnixMs: nowMs };
        batch.add({ slot: 0, ordinal: ++ordinal, ...times, sampleFlags: 0, bytes: messageOf(fleet.next(0)) });
      }
      const frames = batch.take();
      const beganMs = performance.now();
      deliver({ type: 'heartbeats', frames });
      tookMs += performance.now() - beganMs;
    }
    return (tookMs * 1e6) / heartbeats;
  };
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
