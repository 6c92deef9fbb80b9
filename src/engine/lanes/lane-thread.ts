/**
 * The thread of one lane, and what main sends to it: messages at once, heartbeats once a turn of the event loop, by a ring in
 * shared memory while it has room, and in order with the messages (ordered-port.ts).
 * While there is no thread nothing is sent, and what was not sent is forgotten: who needs it again gives it to the next thread.
 */
import { FrameBatch, type HeartbeatFrame } from '../../lane/frames.ts';
import type { FromLane, LaneThreadData, ToLane } from '../../lane/messages.ts';
import type { Stamped } from '../../lane/ordered-port.ts';
import type { Clock } from '../../lib/clock.ts';
import { SupervisedThread, type ThreadDeath, type ThreadState } from '../../lib/supervised-thread.ts';
import { BellRinger, newBell } from '../../store/bell.ts';
import { newByteRing, RingWriter } from '../../store/byte-ring.ts';

export interface LaneThreadOptions {
  /** For people. */
  readonly name: string;
  readonly heapMib: number;
  /** For each thread. */
  readonly data: () => Omit<LaneThreadData, 'bell' | 'ring'>;
  readonly hasProcessor: boolean;
  readonly clock: Clock;
  /** A new thread is there, and knows nothing. */
  readonly onStart: () => void;
  /** What is wrong with a message of the thread's; undefined if nothing is. */
  readonly problemOf: (message: unknown) => string | undefined;
  readonly onMessage: (message: FromLane) => void;
  /** @returns how long to wait before the next start is due; undefined: none is */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  readonly onRestartDue: () => void;
}

/** A lane keeps nothing between heartbeats, so what is young dies young. */
const YOUNG_GENERATION_MIB = 2;
const STACK_MIB = 1;
/** A message of this size is sent without waiting for the turn's end: waking the lane is no longer what costs. */
const FLUSH_AT_BYTES = 1024 ** 2;
/** Some two hundred heartbeats; a hundredth of what a lane takes. */
const RING_BYTES = 64 * 1024;

export class LaneThread {
  readonly #thread: SupervisedThread<FromLane, ToLane | Stamped>;
  readonly #batch = new FrameBatch();
  #isFlushDue = false;
  readonly #hasProcessor: boolean;
  /** Both of the thread of now. */
  #bell: BellRinger | undefined;
  #ring: RingWriter | undefined;

  constructor({ name, heapMib, data, hasProcessor, clock, onStart, onDeath, ...events }: LaneThreadOptions) {
    this.#hasProcessor = hasProcessor;
    const newData = () => this.#newData(data());
    this.#thread = new SupervisedThread<FromLane, ToLane | Stamped>({
      ...events,
      script: hasProcessor ? 'lane/processor-thread' : 'lane/thread',
      name,
      get data() {
        return newData();
      },
      limits: {
        maxOldGenerationSizeMb: heapMib,
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        stackSizeMb: STACK_MIB,
      },
      clock,
      canAbandon: true,
      onStart: () => {
        this.#batch.clear();
        onStart();
      },
      onDeath: (death) => {
        this.#batch.clear();
        return onDeath(death);
      },
    });
  }

  get state(): ThreadState {
    return this.#thread.state;
  }

  /** The thread of now; undefined while there is none. */
  get running(): SupervisedThread<FromLane, ToLane | Stamped>['thread'] {
    return this.#thread.thread;
  }

  start(): void {
    this.#thread.start();
  }

  /** Ends the thread as if it had died. */
  kill(reason: string): void {
    this.#thread.kill(reason);
  }

  /** Ends it for good. @returns whether there is no thread any more */
  stop(): Promise<boolean> {
    return this.#thread.stop();
  }

  /** Sends the heartbeat with the others of this turn. */
  post(heartbeat: HeartbeatFrame): void {
    this.#batch.add(heartbeat);
    if (this.#batch.size >= FLUSH_AT_BYTES) this.flush();
    if (this.#isFlushDue || this.#batch.isEmpty) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  /** Sends what was posted in this turn. */
  flush(): void {
    if (this.#batch.isEmpty) return;
    if (this.#ring?.write(this.#batch.bytes)) {
      this.#batch.clear();
      this.#bell?.ring();
      return;
    }
    const frames = this.#batch.take();
    this.send({ type: 'heartbeats', frames }, [frames]);
  }

  /** Sends the message at once, before heartbeats that were posted in this turn. */
  send(message: ToLane, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.post(this.#ring === undefined ? message : { after: this.#ring.position, message }, transfer);
    this.#bell?.ring();
  }

  /**
   * Of bell and ring a lane writes a word: those that an abandoned thread still writes are not the next one's. Beside a
   * processor, whose code takes far longer, all comes by the port.
   */
  #newData(data: Omit<LaneThreadData, 'bell' | 'ring'>): LaneThreadData {
    const bell = newBell();
    this.#bell = new BellRinger(bell);
    const ring = this.#hasProcessor ? undefined : newByteRing(RING_BYTES);
    this.#ring = ring && new RingWriter(ring);
    return { ...data, bell, ring };
  }
}
