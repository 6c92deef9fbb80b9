/**
 * Disconnects live clients: those that read nothing for too long, the slowest ones while frames use too much memory, and those
 * that do not answer a ping.
 */
import type { DropReason } from '../../model/http-figures.ts';
import { CLIENT_STILL_MORE_MS, CLIENT_STILL_MS } from '../http-limits.ts';
import type { FrameSender } from './client-writer.ts';
import type { FrameBudget } from './frame-budget.ts';

/** A live client that may be disconnected. */
export interface Droppable {
  readonly sender: FrameSender;
}

const WORDS: Readonly<Record<DropReason, string>> = {
  slow: 'it read nothing for too long',
  memory: 'it was the slowest while frames used too much memory',
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

  /** Takes effect at once, not when the socket closes: its memory is free, and it is not counted twice. */
  drop({ sender }: Droppable, reason: DropReason): void {
    if (sender.isClosed) return;
    this.#counts[reason]++;
    this.#log('debug', `disconnected a live client (${sender.writer.kind}): ${WORDS[reason]}`);
    sender.closed();
    sender.writer.cut();
  }

  /** Disconnects those that are too slow, then the slowest of the rest until frames use half of the limit. */
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

/** For how long a client may read nothing. */
function mayBeStillMs({ pendingBytes }: FrameSender): number {
  return CLIENT_STILL_MS + Math.floor(pendingBytes / (64 * 1024)) * CLIENT_STILL_MORE_MS;
}
