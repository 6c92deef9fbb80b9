/**
 * Clients of /api/v1/stream, each with its own connection. They read bytes into one buffer and search the text for what they
 * need: parsing each event of each client would cost as much as everything else together.
 */
import { connect, type Socket } from 'node:net';
import { answerParent } from '../lib/child.ts';
import { eventually, monotonicMs } from '../lib/time.ts';
import { workerIdOf } from '../load/fleet.ts';

export interface FollowSpec {
  readonly httpPort: number;
  readonly clients: number;
  readonly workers: number;
}

/** A worker's newest record: a value that identifies it, and when it became readable. */
export interface Published {
  readonly cpuUsage: number;
  readonly atMs: number;
}

export interface Followed {
  /** The share of (client, worker) pairs for which the client has the newest record. */
  readonly newestShare: number;
  /** From readable to received, for each worker's newest record and all clients. */
  readonly delaysMs: Float64Array;
  /** Since the last call, or since all clients had all workers. */
  readonly bytes: number;
}

/** What a dashboard shows; the two fields that are searched for come first, in this order. */
const FIELDS = 'state,cpu_usage,memory_usage,running_tasks_count';
const ITEM = /"worker_id":"worker-(\d+)"[^}]*?"cpu_usage":([\d.]+)/g;
const BUFFER_BYTES = 256 * 1024;

const calls = {
  /** Resolves when each client has all workers. */
  async follow({ httpPort, clients, workers }: FollowSpec): Promise<void> {
    for (let client = 0; client < clients; client++) followers.push(new Follower(httpPort, workers));
    await eventually('all clients have all workers', () => {
      rethrow();
      return followers.every(({ missing }) => missing === 0);
    });
    // The snapshots do not count for the rate.
    takeBytes();
  },

  /** One more client, which requests everything and never reads. */
  addStuck(httpPort: number): Promise<void> {
    stuck = connect(httpPort, '127.0.0.1').pause();
    stuck.on('error', () => {});
    const ask = 'GET /api/v1/stream?fields=telemetry&rate=20 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    return new Promise((resolve) => stuck?.write(ask, () => resolve()));
  },

  /** How the clients' newest compare with what is published, by worker; of workers published since. */
  followed(published: readonly (Published | undefined)[], sinceMs: number): Followed {
    rethrow();
    const delaysMs: number[] = [];
    let newest = 0;
    let expected = 0;
    for (const { cpuUsage, receivedMs } of followers) {
      published.forEach((record, worker) => {
        if (record === undefined) return;
        expected++;
        if (cpuUsage[worker] !== record.cpuUsage) return;
        newest++;
        if (record.atMs >= sinceMs) delaysMs.push((receivedMs[worker] as number) - record.atMs);
      });
    }
    return { newestShare: newest / expected, delaysMs: Float64Array.from(delaysMs), bytes: takeBytes() };
  },

  leave(): void {
    for (const follower of followers.splice(0)) follower.close();
    stuck?.destroy();
  },
};
export type FollowersCalls = typeof calls;

let stuck: Socket | undefined;
let failure: Error | undefined;

class Follower {
  readonly cpuUsage: Float64Array;
  readonly receivedMs: Float64Array;
  missing: number;
  bytes = 0;
  readonly #socket: Socket;
  #isClosed = false;
  /** The start of an incomplete item. */
  #rest = '';

  constructor(port: number, workers: number) {
    this.cpuUsage = new Float64Array(workers).fill(-1);
    this.receivedMs = new Float64Array(workers);
    this.missing = workers;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: shared,
        callback: (length) => {
          this.#receive(shared.toString('latin1', 0, length));
          return true;
        },
      },
    });
    this.#socket.write(`GET /api/v1/stream?fields=${FIELDS} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('a stream has ended')));
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    const nowMs = monotonicMs();
    this.bytes += text.length;
    const all = this.#rest + text;
    ITEM.lastIndex = 0;
    let end = 0;
    for (let item = ITEM.exec(all); item !== null; item = ITEM.exec(all)) {
      end = ITEM.lastIndex;
      // The number may be incomplete.
      if (end === all.length) break;
      const worker = Number(item[1]);
      if (this.cpuUsage[worker] === -1) this.missing--;
      this.cpuUsage[worker] = Number(item[2]);
      this.receivedMs[worker] = nowMs;
    }
    const from = all.lastIndexOf('{"worker_id"');
    this.#rest = from >= end || end === all.length ? all.slice(Math.max(0, from)) : all.slice(-20);
  }

  #fail(error: Error): void {
    if (!this.#isClosed) failure ??= error;
  }
}

const shared = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const followers: Follower[] = [];

function takeBytes(): number {
  let sum = 0;
  for (const follower of followers) {
    sum += follower.bytes;
    follower.bytes = 0;
  }
  return sum;
}

function rethrow(): void {
  if (failure !== undefined) throw failure;
}

/** So that the two files cannot differ. */
if (workerIdOf(7) !== 'worker-7') throw new Error('workers have other names');

answerParent(calls);
