/** What goes between a reading thread and its host, beside what the host's owner and the thread's user say to each other. */
import type { BoardMemory } from '../store/board.ts';
import type { Announcement } from './directory.ts';

/** What every reading thread is handed when it is made; its user may want more. */
export interface ReaderData {
  readonly board: BoardMemory;
}

/** `Message`: of the host's owner. */
export type ToReader<Message> =
  /** Which workers there are: the roster first, then what changes. In order. */
  | { readonly type: 'announcements'; readonly items: readonly Announcement[] }
  /** The first one comes behind the whole roster. */
  | { readonly type: 'message'; readonly message: Message }
  /** Answer `pong`: the thread lives as long as it does. */
  | { readonly type: 'ping' }
  /** End what must end in order, then answer `stopped`. */
  | { readonly type: 'stop' };

/** `Message`: of the thread's user. */
export type FromReader<Message> =
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'pong' }
  | { readonly type: 'stopped' };
