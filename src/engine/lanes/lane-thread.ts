/**
 * The thread of one lane, and what main sends to it: messages at once, heartbeats once per turn of the event loop,
 * through a ring in shared memory while it has room, in order with the messages (ordered-port.ts). Without a thread
 * nothing is sent, and unsent heartbeats are dropped: the caller gives them to the next thread.
 */
import { FrameBatch, type HeartbeatFrame } from '../../lane/frames.ts';
import type { FromLane, LaneThreadData, ToLane } from '../../lane/messages.ts';
import type { Stamped } from '../../lane/ordered-port.ts';
import type { Clock } from '../../lib/clock.ts';
import { SupervisedThread, type ThreadDeath, type ThreadState } from '../../lib/supervised-thread.ts';
import { BellRinger, newBell } from '../../store/bell.ts';
import { newByteRing, RingWriter } from '../../store/byte-ring.ts';

export interface LaneThreadOptions {
  /** Name of the thread, for logs. */
  readonly name: string;
  readonly heapMib: number;
  /** Creates the data of each new thread. */
  readonly data: () => Omit<LaneThreadData, 'bell' | 'ring'>;
  readonly hasProcessor: boolean;
  readonly clock: Clock;
  /** Called when a new thread exists. */
  readonly onStart: () => void;
  /** Returns what is wrong with a message of the thread; undefined if it is valid. */
  readonly problemOf: (message: unknown) => string | undefined;
  readonly onMessage: (message: FromLane) => void;
  /** @returns the delay before the next start; undefined: none */
  readonly onDeath: (death: ThreadDeath) => number | undefined;
  readonly onRestartDue: () => void;
}

/** Small, since nearly all objects of a lane die after one heartbeat. */
const YOUNG_GENERATION_MIB = 2;
const STACK_MIB = 1;
/** A batch of this size is sent before the turn ends, since waking the lane is then a small part of the cost. */
const FLUSH_AT_BYTES = 1024 ** 2;
/** Room for about 200 heartbeats; a hundredth of a lane's memory. */
const RING_BYTES = 64 * 1024;

export class LaneThread {
  readonly #thread: SupervisedThread<FromLane, ToLane | Stamped>;
  readonly #batch = new FrameBatch();
  #isFlushDue = false;
  readonly #hasProcessor: boolean;
  /** Bell and ring of the current thread. */
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

  /** The current thread; undefined if there is none. */
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

  /** Ends the thread for good. @returns whether there is no thread any more */
  stop(): Promise<boolean> {
    return this.#thread.stop();
  }

  /** Sends the heartbeat together with the others of this turn. */
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
   * Each thread gets a new bell and ring, since an abandoned thread may still write to its own. Lanes with a processor
   * get no ring: their code takes far longer than a port message.
   */
  #newData(data: Omit<LaneThreadData, 'bell' | 'ring'>): LaneThreadData {
    const bell = newBell();
    this.#bell = new BellRinger(bell);
    const ring = this.#hasProcessor ? undefined : newByteRing(RING_BYTES);
    this.#ring = ring && new RingWriter(ring);
    return { ...data, bell, ring };
  }
}
