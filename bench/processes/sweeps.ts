/** A manager in this process whose liveness checks are run and timed explicitly, four per second of its own time. */
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { answerParent } from '../lib/child.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import { Fleet, messageOf, workerIds } from '../load/fleet.ts';

export interface SweepTimes {
  /** One comparison per worker in a Map, as most people would write it; alternating with the checks. */
  readonly plainMs: Float64Array;
  /** All workers send. */
  readonly healthyMs: Float64Array;
  /** All workers are silent: the check that detects most of them. */
  readonly silentMs: number;
}

const SWEEP_EVERY_MS = 250;
const INTERVAL_MS = 20_000;

/** Which workers have been silent for too long: one comparison each. */
class PlainSweep {
  readonly #workers: Map<string, { heardMs: number; isActive: boolean }>;

  constructor(workers: number) {
    this.#workers = new Map(workerIds(workers).map((id) => [id, { heardMs: 0, isActive: true }]));
  }

  timedMs(nowMs: number): number {
    const startMs = performance.now();
    for (const worker of this.#workers.values()) {
      if (worker.isActive && nowMs - worker.heardMs > Number.MAX_SAFE_INTEGER) worker.isActive = false;
    }
    return performance.now() - startMs;
  }
}

const calls = {
  async measure(workers: number, sweeps: number): Promise<SweepTimes> {
    let nowMs = 1_000_000;
    let sweep = (): void => {};
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      every(periodMs, fn) {
        if (periodMs !== SWEEP_EVERY_MS) return systemClock.every(periodMs, fn);
        sweep = fn;
        return { cancel: () => {} };
      },
    };
    const manager = new TelemetryManager({
      maxWorkers: workers,
      maxDedicatedLanes: 0,
      // What a fleet of 100,000 is told; 10,000 would send oftener, but not more of them fall due.
      heartbeatIntervalMs: INTERVAL_MS,
      inactivityTimeoutMs: 6 * INTERVAL_MS,
      laneStallMs: 1e9,
      clock,
    });
    await manager.start();
    const fleet = new Fleet(workers, 'pulselane');
    const send = (worker: number) => manager.acceptHeartbeat(Buffer.from(messageOf(fleet.next(worker))));
    const timedSweepMs = () => {
      nowMs += SWEEP_EVERY_MS;
      const startMs = performance.now();
      sweep();
      return performance.now() - startMs;
    };
    const perSweep = Math.ceil((workers * SWEEP_EVERY_MS) / INTERVAL_MS);
    const healthyMs: number[] = [];
    const plainMs: number[] = [];
    const plain = new PlainSweep(workers);
    let next = 0;
    const rounds = 1.5 * (INTERVAL_MS / SWEEP_EVERY_MS);
    for (let round = 0; round < rounds + sweeps; round++) {
      for (let i = 0; i < perSweep; i++) send(next++ % workers);
      // Lanes finish in real time what they are given in the manager's.
      await sleepMs(1);
      const tookMs = timedSweepMs();
      const plainTookMs = plain.timedMs(nowMs);
      if (round < rounds) continue;
      healthyMs.push(tookMs);
      plainMs.push(plainTookMs);
    }
    await eventually('lanes have finished', () => manager.internalState().activeWorkers === workers);
    const silent: number[] = [];
    for (let passedMs = 0; passedMs < 4 * INTERVAL_MS; passedMs += SWEEP_EVERY_MS) silent.push(timedSweepMs());
    await manager.shutdown();
    return {
      plainMs: Float64Array.from(plainMs),
      healthyMs: Float64Array.from(healthyMs),
      silentMs: Math.max(...silent),
    };
  },
};
export type SweepsCalls = typeof calls;

answerParent(calls);
