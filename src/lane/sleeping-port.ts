/**
 * A port whose thread waits for a bell (store/bell.ts) between messages: blocked, without an event loop, if it has
 * nothing else to wait for; otherwise alongside the event loop, for a processor's timers and promises.
 *
 * The port has no other reader: wake-ups were lost when listeners were used in addition.
 */
import type { Port } from '../lib/ports.ts';
import { type Bell, BellWaiter } from '../store/bell.ts';

/** The part of MessagePort used here. */
export interface ReadablePort {
  postMessage(message: unknown): void;
  /** Returns the next message, if any. */
  receive(): { readonly message: unknown } | undefined;
  close(): void;
}

/** Number of messages handled before the event loop gets its turn. */
const MESSAGES_PER_TURN = 16;

export class SleepingPort<In, Out> implements Port<In, Out> {
  readonly #port: ReadablePort;
  readonly #bell: BellWaiter;
  #listener: (message: In) => void = () => {};
  #idleListener: () => void = () => {};

  constructor(port: ReadablePort, bell: Bell) {
    this.#port = port;
    this.#bell = new BellWaiter(bell);
  }

  postMessage(message: Out): void {
    this.#port.postMessage(message);
  }

  onMessage(listener: (message: In) => void): void {
    this.#listener = listener;
  }

  /** `listener` is called when all messages are handled, before the thread sleeps. */
  onIdle(listener: () => void): void {
    this.#idleListener = listener;
  }

  close(): void {
    this.#port.close();
  }

  /** Handles messages as they arrive, until the thread is ended. */
  listen(): never {
    for (;;) {
      const { rings } = this.#bell;
      this.#handOver();
      this.#idleListener();
      this.#bell.waitBeyond(rings);
    }
  }

  /** The same, while the event loop runs between messages. @param later runs a function in a later turn of the loop */
  listenBetween(later: (turn: () => void) => void): void {
    const turn = () => {
      this.#bell.awake();
      const { rings } = this.#bell;
      if (!this.#handOver(MESSAGES_PER_TURN)) {
        later(turn);
        return;
      }
      this.#idleListener();
      const rung = this.#bell.rungBeyond(rings);
      if (rung === undefined) later(turn);
      else void rung.then(turn);
    };
    turn();
  }

  /**
   * A separate function, so that the last message can be garbage-collected when it returns. @returns whether the port
   * is empty
   */
  #handOver(most = Number.POSITIVE_INFINITY): boolean {
    for (let taken = 0; taken < most; taken++) {
      const got = this.#port.receive();
      if (got === undefined) return true;
      this.#listener(got.message as In);
    }
    return false;
  }
}
