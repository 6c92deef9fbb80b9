import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { blockOf } from '../support/doc-pages.ts';
import { eventually } from '../support/eventually.ts';

test('the processor of docs/isolation.md derives and rejects as the page says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-processor-'));
  const processor = join(folder, 'load.mjs');
  await writeFile(processor, blockOf('test:processor', 'js'));
  const manager = new TelemetryManager({ processor });
  try {
    await manager.start();
    const runningTasks = Array.from({ length: 4 }, (_, i) => ({ taskId: `t${i}` }));
    manager.processHeartbeat({ workerId: 'a', cpuUsage: 50, runningTasks });
    await eventually(() => manager.getWorkerTelemetry('a')?.metrics.cpu_per_task === 12.5);
    manager.processHeartbeat({ workerId: 'a', runningTasks: Array.from({ length: 101 }, () => ({})) });
    const rejection = await eventually(() => manager.directory.get('a')?.slot.lastRejection());
    expect(rejection.reason).toBe('processor: more than 100 tasks');
    expect(manager.getWorkerTelemetry('a')?.cpuUsage).toBe(50);
  } finally {
    await manager.shutdown();
    await rm(folder, { recursive: true });
  }
});
