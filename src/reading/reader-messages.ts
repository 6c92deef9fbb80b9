/** Messages between a reading thread and its host, besides those between the host's owner and the thread's user. */
import type { BoardMemory } from '../store/board.ts';
import type { ThreadPlace } from '../store/thread-figures.ts';
import type { Announcement } from './directory.ts';

/** What every reading thread gets at its start; its user may need more. */
export interface ReaderData {
  readonly board: BoardMemory;
  /** Where its figures are; undefined: it has none. Set by its host. */
  readonly thread?: ThreadPlace | undefined;
}

/** `Message`: those of the host's owner. */
export type ToReader<Message> =
  /** The roster first, then changes. In order. */
  | { readonly type: 'announcements'; readonly items: readonly Announcement[] }
  /** The first one comes after the whole roster. */
  | { readonly type: 'message'; readonly message: Message }
  /** Answered by `pong`: a sign of life. */
  | { readonly type: 'ping' }
  /** Stop gracefully, then answer `stopped`. */
  | { readonly type: 'stop' };

/** `Message`: those of the thread's user. */
export type FromReader<Message> =
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'pong' }
  | { readonly type: 'stopped' };
