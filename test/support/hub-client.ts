/** A hub of an agent for tests, on a socket in a folder of its own, and clients of it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hub, type HubSettings } from '../../src/agent/hub/hub.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { EndedTask } from '../../src/model/telemetry.ts';

export interface TestHub {
  readonly hub: Hub;
  readonly socket: string;
  readonly folder: string;
  /** As of an agent without a master: a test that takes some out has told them. */
  readonly ended: EndedTask[];
  readonly reports: string[];
  /** The same again, after it was stopped. */
  again(): Promise<TestHub>;
  close(): Promise<void>;
}

export async function testHub(
  settings: Partial<HubSettings> = {},
  clock: Clock = systemClock,
  folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-')),
  socket = join(folder, 'agent.sock'),
): Promise<TestHub> {
  const ended: EndedTask[] = [];
  const reports: string[] = [];
  const hub = new Hub({
    settings: { sockets: [socket], mustHaveSocket: true, local: undefined, ...settings },
    clock,
    report: (level, message) => reports.push(`${level}: ${message}`),
    onEnded: (task) => ended.push(task),
    untold: {
      ownWaiting: ended,
      get ownChanges() {
        return ended.length;
      },
    },
    status: () => ({ worker_id: 'w' }),
  });
  await hub.start();
  return {
    hub,
    socket,
    folder,
    ended,
    reports,
    again: () => testHub(settings, clock, folder, socket),
    async close() {
      await hub.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A program that speaks over the socket, with what it is answered. */
export class SocketClient {
  readonly socket: Socket;
  #text = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', (text: string) => {
      this.#text += text;
    });
  }

  static async connect(to: string | { readonly port: number; readonly host: string }): Promise<SocketClient> {
    const socket = typeof to === 'string' ? connect(to) : connect(to.port, to.host);
    await once(socket, 'connect');
    return new SocketClient(socket);
  }

  get text(): string {
    return this.#text;
  }

  get answers(): Record<string, unknown>[] {
    return this.#text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  say(...lines: (object | string | Buffer)[]): void {
    for (const line of lines) {
      this.socket.write(typeof line === 'string' || Buffer.isBuffer(line) ? line : `${JSON.stringify(line)}\n`);
    }
  }

  /** Ends its side. @returns all answers, once the hub has ended its own */
  async end(): Promise<Record<string, unknown>[]> {
    this.socket.end();
    if (!this.socket.closed) await once(this.socket, 'close');
    return this.answers;
  }
}

/** Says all of it, and ends. */
export async function sayTo(path: string, ...lines: (object | string | Buffer)[]): Promise<Record<string, unknown>[]> {
  const client = await SocketClient.connect(path);
  client.say(...lines);
  return client.end();
}
