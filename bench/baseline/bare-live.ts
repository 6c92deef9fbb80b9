/**
 * A minimal live stream: items come at a steady rate, and twice a second each client is sent what is new, the same text for
 * all clients of that turn. No views per client, no backpressure.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monotonicMs } from '../lib/time.ts';
import { Ticks } from '../load/ticks.ts';
import type { Published } from '../processes/followers.ts';

const PERIOD_MS = 500;
/** Clients are served in turns, as by Pulselane, which polls every 50 ms. */
const TURNS = 10;

interface Turn {
  readonly clients: Set<ServerResponse>;
  /** By worker: only the newest matters. */
  readonly due: Map<number, string>;
}

export class BareLive {
  readonly #turns: readonly Turn[] = Array.from({ length: TURNS }, () => ({ clients: new Set(), due: new Map() }));
  readonly #texts: string[] = [];
  readonly #ticks: Ticks;
  #clients = 0;
  #turn = 0;
  readonly published: Published[] = [];

  constructor(workers: number, perSecond: number) {
    for (let worker = 0; worker < workers; worker++) this.#publish(worker, 0);
    this.#ticks = new Ticks(perSecond, (number) => this.#publish(number % workers, number + 1));
    setInterval(() => this.#write(), PERIOD_MS / TURNS);
  }

  setRate(perSecond: number): void {
    this.#ticks.setRate(perSecond);
  }

  /** @returns the port. */
  listen(): Promise<number> {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(eventOf(this.#texts));
      const { clients } = this.#turns[this.#clients++ % TURNS] as Turn;
      clients.add(response);
      response.on('close', () => clients.delete(response));
    });
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  }

  #publish(worker: number, number: number): void {
    const cpuUsage = 0.5 + (number % 99);
    this.published[worker] = { cpuUsage, atMs: monotonicMs() };
    const text = JSON.stringify({
      worker_id: `worker-${worker}`,
      state: 'active',
      cpu_usage: cpuUsage,
      memory_usage: 40.25,
      running_tasks_count: 4,
    });
    this.#texts[worker] = text;
    for (const { due } of this.#turns) due.set(worker, text);
  }

  #write(): void {
    const { clients, due } = this.#turns[this.#turn++ % TURNS] as Turn;
    if (due.size === 0) return;
    const event = eventOf(due.values());
    due.clear();
    for (const client of clients) client.write(event);
  }
}

function eventOf(items: Iterable<string>): string {
  return `event: workers\ndata: [${[...items].join(',')}]\n\n`;
}
