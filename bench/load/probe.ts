import { Fleet, workerIdOf } from './fleet.ts';
import { type LoadStats, SEND_HEARTBEAT } from './load.ts';
import { Ticks } from './ticks.ts';
import { UnaryConnection, UnaryMethod } from './unary-connection.ts';

export interface ProbeOptions {
  readonly grpcPort: number;
  /** Its number in the fleet. */
  readonly worker: number;
  readonly perSecond: number;
  /** Where its heartbeats and the latencies of their acks are counted. */
  readonly stats: LoadStats;
}

/** One worker that sends unary heartbeats at a steady rate, whatever the server does, and times their acks. */
export class Probe {
  readonly #ticks: Ticks;
  readonly #connection: UnaryConnection;
  readonly #idle = Promise.withResolvers<void>();
  #underWay = 0;
  #isStopping = false;

  constructor({ grpcPort, worker, perSecond, stats }: ProbeOptions) {
    const fleet = new Fleet(1, 'cluster', () => workerIdOf(worker));
    const method = new UnaryMethod(SEND_HEARTBEAT);
    this.#connection = new UnaryConnection(grpcPort);
    this.#ticks = new Ticks(perSecond, (_, dueMs) => {
      stats.sent++;
      this.#underWay++;
      this.#connection.call(method, fleet.next(0), (isOk) => {
        stats.latenciesMs.push(performance.now() - dueMs);
        if (isOk) stats.acked++;
        else stats.failed++;
        this.#underWay--;
        if (this.#isStopping && this.#underWay === 0) this.#idle.resolve();
      });
    });
  }

  async stop(): Promise<void> {
    this.#ticks.stop();
    this.#isStopping = true;
    if (this.#underWay > 0) await this.#idle.promise;
    this.#connection.close();
  }
}
