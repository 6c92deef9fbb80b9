/**
 * Lets 10,000 workers come and go, and prints the memory of its process before and after in MiB. Before, as
 * many have come and gone as fill the memory that is kept free for the next ones.
 */
import { TelemetryManager } from '../../../src/engine/telemetry-manager.ts';
import { eventually } from '../../support/eventually.ts';

const AT_A_TIME = 100;
const manager = new TelemetryManager({ maxWorkers: 1000, maxDedicatedLanes: 0, sharedLanes: 2 });
await manager.start();

const rssMib = () => Math.round(process.memoryUsage.rss() / 1024 ** 2);

async function churn(workers: number): Promise<void> {
  for (let first = 0; first < workers; first += AT_A_TIME) {
    const ids = Array.from({ length: AT_A_TIME }, (_, index) => `worker-${first + index}`);
    for (const workerId of ids) manager.processHeartbeat({ workerId, cpuUsage: 1 });
    await eventually(() => ids.every((workerId) => manager.getWorkerTelemetry(workerId)?.cpuUsage === 1));
    for (const workerId of ids) manager.unregisterWorker(workerId);
  }
}

await churn(6000);
const before = rssMib();
await churn(10_000);
process.stdout.write(`${before} ${rssMib()}\n`);
await manager.shutdown();
