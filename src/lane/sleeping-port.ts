/**
 * A port whose thread waits for a bell between messages: asleep, without an event loop, where it waits for nothing else; or
 * beside what a processor puts off (timers, promises).
 *
 * A port is read in one way only: with listeners beside it, wake-ups were seen to be lost.
 */
import type { Port } from '../lib/ports.ts';
import { type Bell, BellWaiter } from '../store/bell.ts';

/** What it needs of a MessagePort. */
export interface ReadablePort {
  postMessage(message: unknown): void;
  /** The next message, if there is one. */
  receive(): { readonly message: unknown } | undefined;
  close(): void;
}

/** Messages that are handed over before others get their turn. */
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

  /** Called when all messages that came are handed over, before it sleeps. */
  onIdle(listener: () => void): void {
    this.#idleListener = listener;
  }

  close(): void {
    this.#port.close();
  }

  /** Hands over each message as it comes; until the thread is ended. */
  listen(): never {
    for (;;) {
      const { rings } = this.#bell;
      this.#handOver();
      this.#idleListener();
      this.#bell.waitBeyond(rings);
    }
  }

  /** The same, and between messages the thread's event loop goes on. @param later calls it in a later turn of the loop */
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

  /** By itself, so that the last message is garbage when it is over. @returns whether there are no more */
  #handOver(most = Number.POSITIVE_INFINITY): boolean {
    for (let taken = 0; taken < most; taken++) {
      const got = this.#port.receive();
      if (got === undefined) return true;
      this.#listener(got.message as In);
    }
    return false;
  }
}
