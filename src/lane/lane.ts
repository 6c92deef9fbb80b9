/**
 * The lane: decodes, validates, derives and publishes its workers' heartbeats in order of arrival. A plain class over a
 * port and a clock; thread.ts runs it in a thread.
 *
 * All state that must outlive the lane is in the workers' slots: the lane may be killed between any two statements.
 */
import type { Clock } from '../lib/clock.ts';
import { collectGarbage } from '../lib/collect-garbage.ts';
import type { Port } from '../lib/ports.ts';
import { recordJsonParts } from '../model/record-json.ts';
import { SampleFlag } from '../model/sample-flags.ts';
import type { TaskEvent } from '../model/task-change.ts';
import type { ApplyTimesWriter } from '../store/apply-times.ts';
import type { Publications } from '../store/publications.ts';
import type { RecordAllowance } from '../store/record-allowance.ts';
import { SlotWriter } from '../store/slot-writer.ts';
import { type DecodedHeartbeat, decodeNext, decodeWhole, MalformedHeartbeat, type ReadHeartbeat } from './decode.ts';
import { FrameCursor } from './frames.ts';
import { KnownTasks } from './known-tasks.ts';
import type { FromLane, ToLane } from './messages.ts';
import { TaskProgress } from './task-progress.ts';
import { type HeartbeatFacts, TaskWatch } from './task-watch.ts';
import { heartbeatProblem } from './validate.ts';

export interface ServedWorker {
  /** The worker's row on the board, which identifies it in the lane. */
  readonly row: number;
  readonly occupant: number;
  readonly workerId: string;
  readonly slot: SlotWriter;
  readonly known: KnownTasks;
  readonly progress: TaskProgress;
  readonly tasks: TaskWatch;
}

const NO_EVENTS: readonly TaskEvent[] = [];

/** Inspects a valid heartbeat and may add metrics. @returns why the heartbeat is rejected; undefined if it is not */
export type Derive = (heartbeat: DecodedHeartbeat, worker: ServedWorker) => string | undefined;

/** The processor, as the lane sees it. */
export interface CustomCode {
  readonly derive: Derive;
  /** Whether to skip the worker's heartbeats because another lane will process them. */
  readonly isHeld: (worker: ServedWorker) => boolean;
}

/** Dependencies of a lane. */
export interface LaneOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly custom?: CustomCode | undefined;
  readonly allowance: RecordAllowance;
  /** Counts what is published, per row. */
  readonly publications: Publications;
  /** Records how long heartbeats took until they were published. */
  readonly applyTimes: Pick<ApplyTimesWriter, 'record'>;
}

/**
 * After this many bytes of large heartbeats the lane collects garbage: in a lane with little to do, V8 would keep
 * strings of megabytes for hours. Collecting takes some milliseconds, a tenth of the time that such heartbeats take.
 */
const COLLECT_AFTER_BYTES = 2 * 1024 ** 2;
/** Smaller heartbeats are not worth collecting. */
const LARGE_BYTES = 256 * 1024;

export class Lane {
  readonly #port: Port<ToLane, FromLane>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #custom: CustomCode | undefined;
  readonly #allowance: RecordAllowance;
  readonly #publications: Publications;
  readonly #applyTimes: LaneOptions['applyTimes'];
  /** Bytes of large heartbeats since the last collection. */
  #largeBytes = 0;
  readonly #served = new Map<number, ServedWorker>();

  constructor(port: Port<ToLane, FromLane>, { clock, custom, allowance, publications, applyTimes }: LaneOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#custom = custom;
    this.#allowance = allowance;
    this.#publications = publications;
    this.#applyTimes = applyTimes;
    port.onMessage((message) => this.#handle(message));
    port.postMessage({ type: 'ready' });
  }

  /** Called when the lane has nothing to do. */
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
        const [known, tasks] = [new KnownTasks(), new TaskWatch()];
        this.#served.set(row, { row, occupant, workerId, slot, known, progress, tasks });
        return;
      }
      case 'leave':
        this.#served.delete(message.slot);
        this.#port.postMessage({ type: 'left', slot: message.slot });
        return;
      case 'expect': {
        const served = this.#served.get(message.slot);
        if (served?.occupant === message.occupant) served.slot.expect(new Map(message.values));
        return;
      }
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
    // The worker was removed while its heartbeat was queued.
    if (served === undefined || this.#custom?.isHeld(served)) return;
    const { slot, known, progress, occupant } = served;
    slot.take(frame.ordinal);
    const heartbeat = this.#read(frame, served);
    if (heartbeat instanceof Rejected) {
      slot.reject(frame.ordinal, heartbeat.reason, frame.receivedUnixMs, heartbeat);
      return;
    }
    const isFarewell = (frame.sampleFlags & SampleFlag.leaving) !== 0;
    const events = this.#taskEvents(heartbeat, served, { receivedUnixMs: frame.receivedUnixMs, isFarewell });
    const json = recordJsonParts(heartbeat);
    const noRoom = slot.makeRoom(json, this.#allowance, frame, heartbeat, events);
    if (noRoom !== undefined) {
      const { reason, cause } = noRoom;
      slot.reject(frame.ordinal, reason, frame.receivedUnixMs, { cause, sequence: heartbeat.sequence });
      return;
    }
    if (heartbeat.runningTasks !== undefined) progress.note(heartbeat.runningTasks, frame.receivedMonotonicMs);
    const publishedMonotonicMs = this.#clock.monotonicMs();
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
        publishedMonotonicMs,
        sequence: heartbeat.sequence,
        sentAtUnixMs: heartbeat.sentAtUnixMs,
        hostLoopLagMs: heartbeat.hostLoopLagMs,
        lastRoundTripMs: heartbeat.lastRoundTripMs,
        taskStoodStillSinceMs: progress.stoodStillSinceMs,
        sampleFlags: hasGpu(heartbeat) ? frame.sampleFlags | SampleFlag.hasGpu : frame.sampleFlags,
        heartbeatIntervalS: frame.heartbeatIntervalS,
      },
      json,
      progress.oldest,
      heartbeat,
      events,
    );
    this.#applyTimes.record(publishedMonotonicMs - frame.receivedMonotonicMs);
    served.tasks.published();
    if (isFarewell) {
      // The same tasks in a later heartbeat are listed again.
      known.forget();
    } else if (heartbeat.runningTasks !== undefined && this.#custom === undefined) {
      frame.rewind();
      known.learn(frame.message);
    }
    if (resized !== undefined) this.#port.postMessage({ type: 'grown', slot: frame.slot, occupant, memory: resized });
    const { accepted } = slot;
    if (accepted !== undefined) this.#port.postMessage({ type: 'accepted', slot: frame.slot, occupant, ...accepted });
  }

  /** Nobody reads the log where no samples are kept. */
  #taskEvents(heartbeat: ReadHeartbeat, { slot, tasks }: ServedWorker, facts: HeartbeatFacts): readonly TaskEvent[] {
    return this.#allowance.sampleSpanMs === 0 ? NO_EVENTS : tasks.eventsOf(heartbeat, facts, () => slot.lastTasks());
  }

  /** Returns the heartbeat, or why it is rejected. */
  #read(frame: FrameCursor, served: ServedWorker): ReadHeartbeat | Rejected {
    try {
      if (this.#custom === undefined) {
        const heartbeat = decodeNext(frame.message, served.workerId, served.known);
        return rejectedFor(problemOf(heartbeat, served), heartbeat) ?? heartbeat;
      }
      // A processor needs the whole heartbeat.
      const heartbeat = decodeWhole(frame.message);
      const problem = problemOf(heartbeat, served) ?? this.#custom.derive(heartbeat, served);
      return rejectedFor(problem, heartbeat) ?? heartbeat;
    } catch (error) {
      if (error instanceof MalformedHeartbeat) return new Rejected(error.message, 0);
      throw error;
    }
  }
}

function hasGpu({ gpus, gpuUsage }: ReadHeartbeat): boolean {
  return gpuUsage > 0 || gpus.length > 0;
}

/** Why a heartbeat is rejected, and its sequence number; 0 = unreadable. */
class Rejected {
  readonly reason: string;
  readonly sequence: number;

  constructor(reason: string, sequence: number) {
    this.reason = reason;
    this.sequence = sequence;
  }
}

function rejectedFor(problem: string | undefined, { sequence }: ReadHeartbeat): Rejected | undefined {
  return problem === undefined ? undefined : new Rejected(problem, sequence);
}

function problemOf(heartbeat: ReadHeartbeat, { workerId }: ServedWorker): string | undefined {
  // Main has parsed the id with another parser; if the two disagree, no worker's record may change.
  if (heartbeat.workerId !== workerId) return 'worker_id differs from the id that the main thread read';
  return heartbeatProblem(heartbeat);
}
