/**
 * All live streams: one look at shared memory for all clients, each frame made once for all. Without clients nothing
 * runs.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Directory } from '../../store/directory.ts';
import { JsonText } from '../json-text.ts';
import { PING_MS, POLL_MS } from '../limits.ts';
import { appendMap, putTelemetry } from '../worker-json.ts';
import { ChangeWatcher } from './changes.ts';
import { LiveClient, type LiveSocket } from './client.ts';

export class LiveStreams {
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #watcher: ChangeWatcher;
  readonly #clients = new Set<LiveClient>();
  readonly #text = new JsonText();
  /** Made since the last look; undefined for a worker that is gone. */
  readonly #frames = new Map<string, Buffer | undefined>();
  #snapshot: Buffer | undefined;
  #timers: readonly Timer[] = [];

  constructor(directory: Directory, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
    this.#watcher = new ChangeWatcher(directory);
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Serves an open socket: what there is now, then every change. `workerId` undefined means all workers. */
  add(socket: LiveSocket, workerId: string | undefined): void {
    if (this.#clients.size === 0) this.#begin();
    const client = new LiveClient(socket, workerId);
    this.#clients.add(client);
    socket.on('close', () => this.#remove(client));
    // A snapshot or frame is never older than the last look, so nothing falls between it and the next one.
    const first = workerId === undefined ? this.#all() : this.#frameOf(workerId);
    if (first !== undefined) client.send(first);
  }

  /** Says goodbye to every client; those that do not answer are cut off with the server's sockets. */
  stop(): void {
    for (const client of this.#clients) client.sayGoodbye();
    this.#end();
  }

  #remove(client: LiveClient): void {
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.#end();
  }

  #begin(): void {
    this.#look();
    this.#timers = [
      this.#clock.every(POLL_MS, () => this.#poll()),
      this.#clock.every(PING_MS, () => {
        for (const client of this.#clients) client.ping();
      }),
    ];
  }

  #end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#watcher.reset();
    this.#dropFrames();
  }

  #poll(): void {
    const changed = this.#look();
    for (const client of this.#clients) {
      for (const { workerId } of changed) client.owe(workerId);
      client.settle((workerId) => this.#frameOf(workerId));
    }
  }

  #look() {
    this.#dropFrames();
    return this.#watcher.changed();
  }

  #dropFrames(): void {
    this.#frames.clear();
    this.#snapshot = undefined;
  }

  #frameOf(workerId: string): Buffer | undefined {
    if (this.#frames.has(workerId)) return this.#frames.get(workerId);
    const entry = this.#directory.get(workerId);
    const frame = entry === undefined ? undefined : this.#mapOf([entry]);
    this.#frames.set(workerId, frame);
    return frame;
  }

  #all(): Buffer {
    this.#snapshot ??= this.#mapOf(this.#directory.all());
    return this.#snapshot;
  }

  #mapOf(entries: Parameters<typeof appendMap>[2]): Buffer {
    appendMap(this.#text.clear(), this.#directory, entries, putTelemetry);
    return this.#text.copy();
  }
}
