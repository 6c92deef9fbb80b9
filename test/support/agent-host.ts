/** A program that embeds an agent, for tests: obeys lines on its input, so that it can be busy on demand. */
import { createInterface } from 'node:readline';
import { Agent } from '../../src/agent/agent.ts';

const master = process.argv[2] as string;
const gpuToolPath = process.argv[3];
const agent = new Agent({ workerId: 'embedded', master, intervalMs: 200, gpuToolPath });
agent.addTask({ taskId: 'early', cpuAllocated: 1, status: 'running' });
await agent.start();
agent.setMetric('queue_depth', 3);
console.log('started');

for await (const line of createInterface({ input: process.stdin })) {
  const [word, ...rest] = line.split(' ');
  if (word === 'block') {
    console.log('blocking');
    const endMs = performance.now() + Number(rest[0]);
    while (performance.now() < endMs);
    console.log('free');
  } else if (word === 'stop') {
    await agent.stop();
    break;
  } else if (word === 'exit') {
    process.exit();
  }
}
// Nothing may be left that keeps the process: it has to end by itself.
process.stdin.destroy();
