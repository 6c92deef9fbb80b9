/**
 * A port whose thread sleeps between messages and has no event loop: for lanes, which wait for nothing else. A lane with a
 * processor cannot be one, since whatever the processor puts off (timers, promises) would never run.
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

  /** By itself, so that the last message is garbage when it is over. */
  #handOver(): void {
    for (let got = this.#port.receive(); got !== undefined; got = this.#port.receive()) {
      this.#listener(got.message as In);
    }
  }
}
