/**
 * Which live clients are dropped: who takes nothing for too long, the slowest while frames take up all the memory that they
 * may, and who does not answer a ping.
 */
import { CLIENT_STILL_MORE_MS, CLIENT_STILL_MS } from '../http-limits.ts';
import type { FrameSender } from './client-writer.ts';
import type { FrameBudget } from './frame-budget.ts';

/** A live client as far as it may be dropped. */
export interface Droppable {
  readonly sender: FrameSender;
}

/**
 * Why a client was dropped: it took nothing for too long; it was the slowest while frames took up all the memory that
 * they may; or it did not answer a ping.
 */
export type DropReason = 'slow' | 'memory' | 'silent';

const WORDS: Readonly<Record<DropReason, string>> = {
  slow: 'it took nothing for too long',
  memory: 'it was the slowest while frames took up too much memory',
  silent: 'it did not answer a ping',
};

export class Drops {
  readonly #budget: FrameBudget;
  readonly #log: (level: 'debug', message: string) => void;
  readonly #counts: Record<DropReason, number> = { slow: 0, memory: 0, silent: 0 };

  constructor(budget: FrameBudget, log: (level: 'debug', message: string) => void) {
    this.#budget = budget;
    this.#log = log;
  }

  get counts(): Readonly<Record<DropReason, number>> {
    return this.#counts;
  }

  /** At once, and not when the socket says so: its memory is free, and it is not dropped twice. */
  drop({ sender }: Droppable, reason: DropReason): void {
    if (sender.isClosed) return;
    this.#counts[reason]++;
    this.#log('debug', `a live client (${sender.writer.kind}) is dropped: ${WORDS[reason]}`);
    sender.closed();
    sender.writer.cut();
  }

  /** Those that are too slow; of the others the slowest first, until frames take up half of what they may. */
  dropSlow(clients: readonly Droppable[], nowMs: number): void {
    for (const client of clients) {
      if (client.sender.stillForMs(nowMs) > mayBeStillMs(client.sender)) this.drop(client, 'slow');
    }
    if (this.#budget.share < 1) return;
    const slowestFirst = clients
      .filter(({ sender }) => !sender.isIdle)
      .sort((left, right) => right.sender.stillForMs(nowMs) - left.sender.stillForMs(nowMs));
    for (const client of slowestFirst) {
      if (this.#budget.share < 1 / 2) return;
      this.drop(client, 'memory');
    }
  }
}

/** How long a client may take nothing. */
function mayBeStillMs({ pendingBytes }: FrameSender): number {
  return CLIENT_STILL_MS + Math.floor(pendingBytes / (64 * 1024)) * CLIENT_STILL_MORE_MS;
}
