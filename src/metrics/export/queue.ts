/**
 * Messages that wait for one receiver, oldest first. Bounded in bytes and age: the oldest are dropped and counted. The message that
 * is being sent still counts, but is not dropped: whoever sends it decides about it.
 */
import type { ExportDropReason, ExportQueueStatus } from '../../model/export-status.ts';
import { LEAST_MESSAGES, MAX_AGE_MS } from './export-limits.ts';
import type { Message } from './exporter.ts';

export class ExportQueue<M extends Message> {
  readonly #maxBytes: number;
  readonly #onDropped: (reason: ExportDropReason, samples: number) => void;
  /** From `#first` on; the places before it are empty. */
  #messages: (M | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #samples = 0;
  #sending: M | undefined;

  constructor(maxBytes: number, onDropped: (reason: ExportDropReason, samples: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onDropped = onDropped;
  }

  /** Without the one that is being sent. */
  get length(): number {
    return this.#messages.length - this.#first;
  }

  get status(): ExportQueueStatus {
    const oldest = this.#sending ?? this.#messages[this.#first];
    return {
      messages: this.length + (this.#sending === undefined ? 0 : 1),
      samples: this.#samples,
      bytes: this.#bytes,
      maxBytes: this.#maxBytes,
      oldestUnixMs: oldest?.atUnixMs ?? null,
    };
  }

  add(message: M): void {
    this.#messages.push(message);
    this.#bytes += message.bytes;
    this.#samples += message.samples;
    while (this.#bytes > this.#maxBytes && this.length > LEAST_MESSAGES) this.#drop('full');
  }

  /**
   * The oldest one, which is now being sent: the same again until `settle` or `drop`. Undefined: nothing waits. What has waited for
   * too long is dropped here alone: in the middle of an attempt it may be taken yet, and would count twice.
   */
  take(nowUnixMs: number): M | undefined {
    if (this.#isOld(this.#sending, nowUnixMs)) this.drop('old');
    while (this.#sending === undefined && this.#isOld(this.#messages[this.#first], nowUnixMs)) this.#drop('old');
    this.#sending ??= this.#shift();
    return this.#sending;
  }

  /** The receiver has it. */
  settle(): void {
    if (this.#sending !== undefined) this.#subtract(this.#sending);
    this.#sending = undefined;
  }

  /** The receiver will not have the one that is being sent. */
  drop(reason: ExportDropReason): void {
    const message = this.#sending;
    this.settle();
    if (message !== undefined) this.#onDropped(reason, message.samples);
  }

  dropAll(reason: ExportDropReason): void {
    this.drop(reason);
    while (this.length > 0) this.#drop(reason);
  }

  #isOld(message: M | undefined, nowUnixMs: number): boolean {
    return message !== undefined && nowUnixMs - message.atUnixMs > MAX_AGE_MS;
  }

  #drop(reason: ExportDropReason): void {
    const message = this.#shift();
    if (message === undefined) return;
    this.#subtract(message);
    this.#onDropped(reason, message.samples);
  }

  #subtract({ bytes, samples }: M): void {
    this.#bytes -= bytes;
    this.#samples -= samples;
  }

  #shift(): M | undefined {
    const message = this.#messages[this.#first];
    if (message === undefined) return undefined;
    this.#messages[this.#first++] = undefined;
    // As seldom as the array was filled: each message is moved about once.
    if (this.#first * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first);
      this.#first = 0;
    }
    return message;
  }
}
