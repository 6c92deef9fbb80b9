/** A sender that is closed once it is no longer needed, and nothing is under way with it. */
import type { Sender } from './notification.ts';

export class SenderUse {
  readonly sender: Sender;
  #underWay = 0;
  #isRetired = false;

  constructor(sender: Sender) {
    this.sender = sender;
  }

  async during<T>(work: (sender: Sender) => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work(this.sender);
    } finally {
      this.#underWay--;
      this.#closeIfIdle();
    }
  }

  /** There are newer settings, or the target is gone. */
  retire(): void {
    this.#isRetired = true;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    // Nobody waits for it: what it may complain of was said by its deliveries.
    if (this.#isRetired && this.#underWay === 0) this.sender.close().catch(() => undefined);
  }
}
