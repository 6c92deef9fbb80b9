/**
 * The HTTP thread's side of calls of workers: sends them to main and waits for the answers. All calls that arrive in one turn
 * go as one message. Main may be stuck, so a time-out always produces an answer, and what waits is limited. What main has not
 * answered still waits in its port, so it counts until then, also after its time-out.
 */
import type { Clock } from '../../lib/clock.ts';
import type { RelayedAnswer, RelayedCall, RelayedHeartbeats } from '../../rpc/relayed-calls.ts';
import { COMMAND_WITHIN_MS, MAX_WORKER_CALLS } from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';

/** The calls of one turn; `id` is unique within one life of the thread. */
export interface WorkerCallsMessage {
  readonly id: number;
  /** Heartbeats without their bytes, which are in `bytes`, one call's after the other's: one buffer is quicker to send than many. */
  readonly calls: readonly SentCall[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type SentCall =
  | Extract<RelayedCall, { readonly type: 'farewell' }>
  | (Omit<RelayedHeartbeats, 'bytes'> & { readonly length: number });

/** The calls as they were before they were sent. */
export function callsOf({ calls, bytes }: WorkerCallsMessage): RelayedCall[] {
  let from = 0;
  return calls.map((call) => {
    if (call.type === 'farewell') return call;
    const { length, ...rest } = call;
    const own = bytes.subarray(from, from + length);
    from += length;
    return { ...rest, bytes: own };
  });
}

/** Their answers, in the same order. */
export interface WorkerAnswersMessage {
  readonly id: number;
  readonly answers: readonly RelayedAnswer[];
}

type Resolve = (answer: RelayedAnswer) => void;

interface Sent {
  /** None after the time-out. */
  resolves: readonly Resolve[];
  readonly calls: number;
  readonly bytes: number;
  readonly cancel: () => void;
}

const LATE: RelayedAnswer = {
  type: 'refused',
  code: 'unavailable',
  detail: 'the master does not answer; it may still take the heartbeats',
  retryAfterMs: undefined,
};

export class WorkerCalls {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #post: (message: WorkerCallsMessage) => void;
  readonly #sent = new Map<number, Sent>();
  #next: RelayedCall[] = [];
  #nextResolves: Resolve[] = [];
  #lastId = 0;
  /** Of all that wait. */
  #calls = 0;
  #bytes = 0;

  /** @param maxBytes of all calls that wait */
  constructor(clock: Clock, maxBytes: number, post: (message: WorkerCallsMessage) => void) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#post = post;
  }

  /** @throws LimitReached if too much waits */
  run(call: RelayedCall): Promise<RelayedAnswer> {
    const bytes = bytesOf(call);
    if (this.#calls >= MAX_WORKER_CALLS || this.#bytes + bytes > this.#maxBytes) {
      throw new LimitReached('resource_exhausted', 'heartbeats', 'too many heartbeats are waiting for the master');
    }
    this.#calls++;
    this.#bytes += bytes;
    this.#next.push(call);
    if (this.#next.length === 1) setImmediate(() => this.#send());
    return new Promise((resolve) => this.#nextResolves.push(resolve));
  }

  answered({ id, answers }: WorkerAnswersMessage): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    sent.cancel();
    this.#calls -= sent.calls;
    this.#bytes -= sent.bytes;
    for (const [index, resolve] of sent.resolves.entries()) resolve(answers[index] as RelayedAnswer);
  }

  #send(): void {
    const calls = this.#next;
    const resolves = this.#nextResolves;
    this.#next = [];
    this.#nextResolves = [];
    const id = ++this.#lastId;
    const bytes = calls.reduce((sum, call) => sum + bytesOf(call), 0);
    const joined = new Uint8Array(bytes);
    let at = 0;
    const sent = calls.map((call): SentCall => {
      if (call.type === 'farewell') return call;
      const { bytes: own, caller, intervalMs, ends, unread, tooLarge } = call;
      joined.set(own, at);
      at += own.length;
      return { type: 'heartbeats', caller, intervalMs, ends, unread, tooLarge, length: own.length };
    });
    const timer = this.#clock.after(COMMAND_WITHIN_MS, () => this.#late(id));
    this.#sent.set(id, { resolves, calls: calls.length, bytes, cancel: () => timer.cancel() });
    this.#post({ id, calls: sent, bytes: joined });
  }

  #late(id: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    const { resolves } = sent;
    sent.resolves = [];
    for (const resolve of resolves) resolve(LATE);
  }
}

function bytesOf(call: RelayedCall): number {
  return call.type === 'heartbeats' ? call.bytes.length : 0;
}
