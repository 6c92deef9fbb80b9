/**
 * What runs in a lane: decodes, validates, derives and publishes the heartbeats of the workers it serves, in the order
 * in which they come. A plain class over a port and a clock; thread.ts puts it into a thread.
 *
 * Everything that must outlive the lane is in the workers' slots: it may be killed between any two statements.
 */
import type { Clock } from '../lib/clock.ts';
import { collectGarbage } from '../lib/collect-garbage.ts';
import type { Port } from '../lib/ports.ts';
import { recordJsonParts } from '../model/record-json.ts';
import type { Publications } from '../store/publications.ts';
import type { RecordAllowance } from '../store/record-allowance.ts';
import { SlotWriter } from '../store/slot-writer.ts';
import { type DecodedHeartbeat, decodeNext, decodeWhole, MalformedHeartbeat, type ReadHeartbeat } from './decode.ts';
import { FrameCursor } from './frames.ts';
import { KnownTasks } from './known-tasks.ts';
import type { FromLane, ToLane } from './messages.ts';
import { TaskProgress } from './task-progress.ts';
import { heartbeatProblem } from './validate.ts';

export interface ServedWorker {
  /** The lane's name for it: its row on the board. */
  readonly row: number;
  readonly occupant: number;
  readonly workerId: string;
  readonly slot: SlotWriter;
  readonly known: KnownTasks;
  readonly progress: TaskProgress;
}

/** Looks at a valid heartbeat and may add metrics to it. @returns why it is rejected; undefined if it is not */
export type Derive = (heartbeat: DecodedHeartbeat, worker: ServedWorker) => string | undefined;

/** What a lane does beside publishing. */
export interface CustomCode {
  readonly derive: Derive;
  /** Whether the worker's heartbeats are left where they are: another lane will take them. */
  readonly isHeld: (worker: ServedWorker) => boolean;
}

/** What a lane is given beside its port. */
export interface LaneOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly custom?: CustomCode | undefined;
  readonly allowance: RecordAllowance;
  /** Where what is published is counted. */
  readonly publications: Publications;
}

/**
 * After so many bytes of large heartbeats the lane collects its garbage: a text of megabytes that nobody needs any more
 * would stay for hours in the heap of a lane that has little to do. It takes some milliseconds, a tenth of what such
 * heartbeats take.
 */
const COLLECT_AFTER_BYTES = 2 * 1024 ** 2;
/** Smaller heartbeats leave nothing worth it. */
const LARGE_BYTES = 256 * 1024;

export class Lane {
  readonly #port: Port<ToLane, FromLane>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #custom: CustomCode | undefined;
  readonly #allowance: RecordAllowance;
  readonly #publications: Publications;
  /** Bytes of large heartbeats since garbage was collected last. */
  #largeBytes = 0;
  readonly #served = new Map<number, ServedWorker>();

  constructor(port: Port<ToLane, FromLane>, { clock, custom, allowance, publications }: LaneOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#custom = custom;
    this.#allowance = allowance;
    this.#publications = publications;
    port.onMessage((message) => this.#handle(message));
    port.postMessage({ type: 'ready' });
  }

  /** Called when it has nothing to do. */
  idle(): void {
    if (this.#largeBytes < COLLECT_AFTER_BYTES) return;
    this.#largeBytes = 0;
    collectGarbage();
  }

  #handle(message: ToLane): void {
    switch (message.type) {
      case 'serve': {
        const { slot: row, occupant, workerId } = message;
        const slot = new SlotWriter(message.memory, { publications: this.#publications, row });
        slot.mend();
        const progress = new TaskProgress(slot.progress());
        this.#served.set(row, { row, occupant, workerId, slot, known: new KnownTasks(), progress });
        return;
      }
      case 'leave':
        this.#served.delete(message.slot);
        this.#port.postMessage({ type: 'left', slot: message.slot });
        return;
      case 'collect':
        this.#largeBytes = COLLECT_AFTER_BYTES;
        return;
      case 'heartbeats': {
        const frames = new FrameCursor(message.frames);
        while (frames.next()) {
          if (frames.length >= LARGE_BYTES) this.#largeBytes += frames.length;
          this.#process(frames);
        }
        return;
      }
      default:
        message satisfies never;
    }
  }

  #process(frame: FrameCursor): void {
    const served = this.#served.get(frame.slot);
    // Forgotten while its heartbeat was on the way.
    if (served === undefined || this.#custom?.isHeld(served)) return;
    const { slot, known, progress, occupant } = served;
    slot.take(frame.ordinal);
    const heartbeat = this.#read(frame, served);
    if (typeof heartbeat === 'string') {
      slot.reject(frame.ordinal, heartbeat, frame.receivedUnixMs);
      return;
    }
    const json = recordJsonParts(heartbeat);
    const noRoom = slot.makeRoom(json, this.#allowance, frame.receivedMonotonicMs, heartbeat.metrics);
    if (noRoom !== undefined) {
      slot.reject(frame.ordinal, noRoom.reason, frame.receivedUnixMs, noRoom.cause);
      return;
    }
    if (heartbeat.runningTasks !== undefined) progress.note(heartbeat.runningTasks, frame.receivedMonotonicMs);
    const resized = slot.publish(
      {
        ordinal: frame.ordinal,
        cpuUsage: heartbeat.cpuUsage,
        memoryUsage: heartbeat.memoryUsage,
        storageUsage: heartbeat.storageUsage,
        gpuUsage: heartbeat.gpuUsage,
        runningTasks: heartbeat.runningTasks?.length ?? known.count,
        receivedUnixMs: frame.receivedUnixMs,
        receivedMonotonicMs: frame.receivedMonotonicMs,
        publishedMonotonicMs: this.#clock.monotonicMs(),
        sequence: heartbeat.sequence,
        sentAtUnixMs: heartbeat.sentAtUnixMs,
        hostLoopLagMs: heartbeat.hostLoopLagMs,
        lastRoundTripMs: heartbeat.lastRoundTripMs,
        taskStoodStillSinceMs: progress.stoodStillSinceMs,
      },
      json,
      progress.oldest,
      heartbeat.metrics,
    );
    if (heartbeat.runningTasks !== undefined && this.#custom === undefined) {
      frame.rewind();
      known.learn(frame.message);
    }
    if (resized !== undefined) this.#port.postMessage({ type: 'grown', slot: frame.slot, occupant, memory: resized });
  }

  /** The heartbeat, or why it is rejected. */
  #read(frame: FrameCursor, served: ServedWorker): ReadHeartbeat | string {
    try {
      if (this.#custom === undefined) {
        const heartbeat = decodeNext(frame.message, served.workerId, served.known);
        return problemOf(heartbeat, served) ?? heartbeat;
      }
      // Whoever looks at heartbeats gets all of each.
      const heartbeat = decodeWhole(frame.message);
      return problemOf(heartbeat, served) ?? this.#custom.derive(heartbeat, served) ?? heartbeat;
    } catch (error) {
      if (error instanceof MalformedHeartbeat) return error.message;
      throw error;
    }
  }
}

function problemOf(heartbeat: ReadHeartbeat, { workerId }: ServedWorker): string | undefined {
  // Main read the id with its own eyes; if the two disagree, neither worker's record may change.
  if (heartbeat.workerId !== workerId) return 'worker_id reads differently when the whole heartbeat is decoded';
  return heartbeatProblem(heartbeat);
}
