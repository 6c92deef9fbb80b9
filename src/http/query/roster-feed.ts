/**
 * How the pool's threads come to know which workers there are: the http thread tells them what it is told itself. Each of
 * them has a channel of its own, on which everything comes in order:
 *
 *     thread                            http thread
 *        hello ───(common channel)────►  opens the thread's channel
 *        ◄──────────── roster, part 1
 *        ◄──────────── announcements …   whatever happens meanwhile
 *        ◄──────────── roster, part 2, …
 *        ◄──────────── complete
 *        ◄──────────── announcements …
 *
 * The roster is told in parts, so that the loop which live streams depend on is not held up. A part is read when it is sent:
 * a worker that came meanwhile is told twice, which changes nothing, and one that has gone is not told any more.
 *
 * Announcements are counted. A task says how many there were when it was given; its thread waits until it knows as many, so
 * that no answer is older than what the http thread knew.
 */
import type { Announcement, Directory, WorkerEntry } from '../../reading/directory.ts';
import { ROSTER_PART } from '../http-limits.ts';

/** On the common channel. */
export interface Hello {
  /** Name of the thread's own channel. */
  readonly channel: string;
  readonly threadId: number;
}

/** On a thread's own channel. `count`: how many announcements there were up to and with this message. */
export type FromFeed =
  | { readonly type: 'announcements'; readonly items: readonly Announcement[]; readonly count: number }
  | { readonly type: 'complete'; readonly count: number };

interface Listener {
  readonly threadId: number;
  readonly channel: BroadcastChannel;
}

export class RosterFeed {
  readonly #directory: Directory;
  readonly #common: BroadcastChannel;
  #listeners: Listener[] = [];
  #count = 0;

  /** @param name of the common channel: unlike any other in the process */
  constructor(directory: Directory, name: string) {
    this.#directory = directory;
    this.#common = openChannel(name, (message) => this.#greet(message as Hello));
  }

  /** How many announcements were told. */
  get count(): number {
    return this.#count;
  }

  /** Tells what changed, after the directory has taken it in. */
  announce(announcements: readonly Announcement[]): void {
    const items = announcements.filter(isOfUse);
    if (items.length === 0) return;
    this.#count += items.length;
    for (const { channel } of this.#listeners) this.#post(channel, items);
  }

  /** Forgets threads that are dead. */
  keepOnly(threadIds: readonly number[]): void {
    const isAlive = ({ threadId }: Listener) => threadIds.includes(threadId);
    for (const dead of this.#listeners.filter((listener) => !isAlive(listener))) dead.channel.close();
    this.#listeners = this.#listeners.filter(isAlive);
  }

  stop(): void {
    this.#common.close();
    this.keepOnly([]);
  }

  #greet({ channel: name, threadId }: Hello): void {
    const listener = { threadId, channel: openChannel(name, () => {}) };
    this.#listeners.push(listener);
    this.#tellRoster(listener, [...this.#directory.all()]);
  }

  #tellRoster(listener: Listener, rest: readonly WorkerEntry[]): void {
    if (!this.#listeners.includes(listener)) return;
    const { channel } = listener;
    const part = rest.slice(0, ROSTER_PART).flatMap(({ workerId }) => {
      const entry = this.#directory.get(workerId);
      return entry === undefined ? [] : announcementsOf(entry);
    });
    this.#post(channel, part);
    if (rest.length > ROSTER_PART) setImmediate(() => this.#tellRoster(listener, rest.slice(ROSTER_PART)));
    else channel.postMessage({ type: 'complete', count: this.#count } satisfies FromFeed);
  }

  #post(channel: BroadcastChannel, items: readonly Announcement[]): void {
    channel.postMessage({ type: 'announcements', items, count: this.#count } satisfies FromFeed);
  }
}

/** Of what happened and what is held up no query tells. */
function isOfUse({ type }: Announcement): boolean {
  return (
    type === 'slotAdded' ||
    type === 'slotGrown' ||
    type === 'slotGone' ||
    type === 'slotsLetGo' ||
    type === 'workerFacts'
  );
}

function announcementsOf({ workerId, row, occupant, slot, facts }: WorkerEntry): Announcement[] {
  return [
    { type: 'slotAdded', workerId, row, occupant, slot: slot.memory },
    ...(facts === undefined ? [] : [{ type: 'workerFacts', workerId, facts } as const]),
  ];
}

/** A channel that keeps no thread alive. */
export function openChannel(name: string, onMessage: (message: unknown) => void): BroadcastChannel {
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }: MessageEvent) => onMessage(data);
  channel.unref();
  return channel;
}
