/**
 * Main's side of calls of workers: answers them one after the other, in the order in which they came, and for a bounded time
 * in each turn of the event loop. A request may bring 10,000 heartbeats; those over gRPC, timers and commands must not wait for
 * all of them.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import type { RelayedAnswer, RelayedCall } from '../../rpc/relayed-calls.ts';
import { WORKER_CALLS_TURN_MS } from '../http-limits.ts';
import { callsOf, type WorkerCallsMessage } from './worker-calls.ts';

export interface WorkerCallTurnsOptions {
  /** Answers a call in steps. */
  readonly answering: (call: RelayedCall) => Iterator<void, RelayedAnswer>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Waiting {
  readonly calls: readonly RelayedCall[];
  readonly answers: RelayedAnswer[];
  readonly onAnswers: (answers: readonly RelayedAnswer[]) => void;
}

export class WorkerCallTurns {
  readonly #options: WorkerCallTurnsOptions;
  /** The HTTP thread limits what waits. */
  #waiting: Waiting[] = [];
  /** Of the first call that has no answer yet. */
  #steps: Iterator<void, RelayedAnswer> | undefined;

  constructor(options: WorkerCallTurnsOptions) {
    this.#options = options;
  }

  /** @param onAnswers gets the answers to all calls of the message, in their order */
  take(message: WorkerCallsMessage, onAnswers: Waiting['onAnswers']): void {
    this.#waiting.push({ calls: callsOf(message), answers: [], onAnswers });
    if (this.#waiting.length === 1) this.#soon();
  }

  #soon(): void {
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + WORKER_CALLS_TURN_MS;
    do {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const call = first.calls[first.answers.length];
      const answer = call === undefined ? undefined : this.#step(call);
      if (answer !== undefined) first.answers.push(answer);
      if (first.answers.length < first.calls.length) continue;
      this.#waiting.shift();
      first.onAnswers(first.answers);
    } while (clock.monotonicMs() < endMs);
    if (this.#waiting.length > 0) this.#soon();
  }

  /** @returns the answer, once it is complete */
  #step(call: RelayedCall): RelayedAnswer | undefined {
    const { answering, logger } = this.#options;
    try {
      this.#steps ??= answering(call);
      const { done, value } = this.#steps.next();
      if (done !== true) return undefined;
      this.#steps = undefined;
      return value;
    } catch (error) {
      this.#steps = undefined;
      logger.error({ call: call.type, err: error }, 'a call of a worker over HTTP failed');
      return { type: 'refused', code: 'internal', detail: 'internal error', retryAfterMs: undefined };
    }
  }
}
