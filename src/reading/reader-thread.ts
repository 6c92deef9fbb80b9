/** A reading thread's end of its port: keeps the directory as it is told, answers the host, hands the rest to its user. */
import { collectGarbage } from '../lib/collect-garbage.ts';
import type { Port } from '../lib/ports.ts';
import { BoardReader } from '../store/board.ts';
import { type Announcement, Directory } from './directory.ts';
import type { FromReader, ReaderData, ToReader } from './reader-messages.ts';

/** What a reading thread is there for. */
export interface ReadingUser<ToThread> {
  /** What has changed; the directory holds it already. The roster comes first, in one call or several. */
  announced?(items: readonly Announcement[]): void;
  /** Of whoever owns the thread; the first one comes behind the whole roster. */
  received(message: ToThread): void;
  /** Ends what must end in order. The thread is ended when it resolves, or takes too long. */
  stop?(): Promise<void>;
}

export interface ReadingParts<FromThread> {
  readonly directory: Directory;
  /** Tells whoever owns the thread. */
  readonly post: (message: FromThread, transfer?: readonly ArrayBuffer[]) => void;
}

/** Runs what `make` makes, with a directory of its own, as a reading thread of whoever holds the other end of the port. */
export function readFor<ToThread, FromThread>(
  port: Port<ToReader<ToThread>, FromReader<FromThread>>,
  { board }: ReaderData,
  make: (parts: ReadingParts<FromThread>) => ReadingUser<ToThread>,
): void {
  const directory = new Directory(new BoardReader(board));
  const post = (message: FromThread, transfer?: readonly ArrayBuffer[]) =>
    port.postMessage({ type: 'message', message }, transfer);
  const user = make({ directory, post });
  port.onMessage((message) => {
    switch (message.type) {
      case 'announcements':
        takeIn(directory, message.items);
        user.announced?.(message.items);
        return;
      case 'message':
        user.received(message.message);
        return;
      case 'ping':
        port.postMessage({ type: 'pong' });
        return;
      case 'stop':
        void Promise.resolve(user.stop?.()).then(() => port.postMessage({ type: 'stopped' }));
        return;
      default:
        message satisfies never;
    }
  });
}

/** In a thread that does nothing else: see collect-garbage.ts. */
export function takeIn(directory: Directory, items: readonly Announcement[]): void {
  for (const item of items) directory.apply(item);
  if (items.some(({ type }) => type === 'slotsLetGo')) collectGarbage();
}
