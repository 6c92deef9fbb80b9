/** A manager in this process to which new workers come one after another, each with a dedicated lane. */
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { startBareThread } from '../baseline/bare-thread.ts';
import { SleepingThread } from '../baseline/sleeping-thread.ts';
import { answerParent } from '../lib/child.ts';
import { eventually } from '../lib/time.ts';
import { Fleet, messageOf, workerIdOf } from '../load/fleet.ts';

/** Every second worker comes while another worker's thread is starting. */
const CALM_EVERY = 2;

const calls = {
  /** @returns for each newcomer how long it took from its first heartbeat until its values are shown as active, in ms */
  async measure(newcomers: number): Promise<Float64Array> {
    const manager = new TelemetryManager({ maxWorkers: newcomers + 3, maxDedicatedLanes: newcomers });
    await manager.start();
    const fleet = new Fleet(newcomers + 3, 'pulselane');
    const send = (worker: number) => {
      manager.acceptHeartbeat(Buffer.from(messageOf(fleet.next(worker))));
      return () => manager.getWorkerTelemetry(workerIdOf(worker))?.isActive === true;
    };
    const areUp = () => manager.internalState().lanes.every(({ state }) => state === 'ready');
    // More at once than lanes are started at once: a shared lane runs from then on.
    const first = [newcomers, newcomers + 1, newcomers + 2].map(send);
    await eventually('a shared lane runs', () => areUp() && first.every((isShown) => isShown()));
    const tookMs = new Float64Array(newcomers);
    for (let worker = 0; worker < newcomers; worker++) {
      if (worker % CALM_EVERY === 0) await eventually('no lane is being started', areUp);
      const startMs = performance.now();
      const isShown = send(worker);
      while (!isShown()) await new Promise(setImmediate);
      tookMs[worker] = performance.now() - startMs;
    }
    await manager.shutdown();
    return tookMs;
  },

  /** The same of a thread that sleeps and is woken, while a bare thread is started for each: nothing is faster. */
  async measureFloor(newcomers: number): Promise<Float64Array> {
    const sleeper = await SleepingThread.start('bell');
    const starting = new Set<Promise<unknown>>();
    const tookMs = new Float64Array(newcomers);
    for (let newcomer = 0; newcomer < newcomers; newcomer++) {
      if (newcomer % CALM_EVERY === 0) await Promise.all(starting);
      const startMs = performance.now();
      sleeper.wake();
      starting.add(startBareThread());
      while (sleeper.tookMs === undefined) await new Promise(setImmediate);
      tookMs[newcomer] = performance.now() - startMs;
    }
    await Promise.all(starting);
    await sleeper.end();
    return tookMs;
  },
};
export type NewcomersCalls = typeof calls;

answerParent(calls);
