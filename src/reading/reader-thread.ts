/** A reading thread's end of its port: updates the directory, answers the host, and passes the rest to its user. */
import { systemClock } from '../lib/clock.ts';
import { collectGarbage } from '../lib/collect-garbage.ts';
import { LOOK_AT_LOOP_EVERY_MS, LoopDelay } from '../lib/loop-delay.ts';
import type { Port } from '../lib/ports.ts';
import { BoardReader } from '../store/board.ts';
import { ThreadFiguresWriter } from '../store/thread-figures.ts';
import { type Announcement, Directory } from './directory.ts';
import type { FromReader, ReaderData, ToReader } from './reader-messages.ts';

/** The part of a reading thread that does its work. */
export interface ReadingUser<ToThread> {
  /** Changes that the directory has already applied. The roster comes first, in one call or several. */
  announced?(items: readonly Announcement[]): void;
  /** A message of the host's owner; the first one comes after the whole roster. */
  received(message: ToThread): void;
  /** Called four times a second, to publish figures of its own. */
  publish?(figures: ThreadFiguresWriter): void;
  /** Stops gracefully. The thread ends when it resolves, or takes too long. */
  stop?(): Promise<void>;
}

export interface ReadingParts<FromThread> {
  readonly directory: Directory;
  /** Sends a message to the host's owner. */
  readonly post: (message: FromThread, transfer?: readonly ArrayBuffer[]) => void;
}

/** Runs the user that `make` creates, with a directory of its own, on this port. */
export function readFor<ToThread, FromThread>(
  port: Port<ToReader<ToThread>, FromReader<FromThread>>,
  { board, thread }: ReaderData,
  make: (parts: ReadingParts<FromThread>) => ReadingUser<ToThread>,
): void {
  const directory = new Directory(new BoardReader(board));
  const post = (message: FromThread, transfer?: readonly ArrayBuffer[]) =>
    port.postMessage({ type: 'message', message }, transfer);
  const user = make({ directory, post });
  if (thread !== undefined)
    publishFigures(new ThreadFiguresWriter(board.threads, thread, systemClock.monotonicMs()), user);
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

/** How late the timer is shows how late everything else in the thread is. */
function publishFigures(figures: ThreadFiguresWriter, user: Pick<ReadingUser<never>, 'publish'>): void {
  const delay = new LoopDelay();
  let lookedMs = systemClock.monotonicMs();
  systemClock.every(LOOK_AT_LOOP_EVERY_MS, () => {
    const nowMs = systemClock.monotonicMs();
    delay.look(nowMs - lookedMs - LOOK_AT_LOOP_EVERY_MS);
    lookedMs = nowMs;
    figures.looked(nowMs, delay.ms);
    user.publish?.(figures);
  });
}

/** For a thread that does nothing else: see collect-garbage.ts. */
export function takeIn(directory: Directory, items: readonly Announcement[]): void {
  for (const item of items) directory.apply(item);
  if (items.some(({ type }) => type === 'slotsLetGo')) collectGarbage();
}
