import { expect, test } from 'vitest';
import { Agent } from '../../src/agent/agent.ts';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';

test.each([
  [
    () => new TelemetryManager({ maxDedicatedLane: 3 } as object),
    'unknown option "maxDedicatedLane": did you mean maxDedicatedLanes?',
  ],
  [
    () => new TelemetryManager({ colour: 'red' } as object),
    'unknown option "colour": expected one of heartbeatIntervalMs, ',
  ],
  [
    () => new Agent({ workerId: 'w', master: 'a:1', isolated: true } as never),
    'unknown option "isolated": did you mean isolate?',
  ],
])('an option that does not exist is refused, case %#', (make, message) => {
  expect(make).toThrow(message);
});

test.each([
  [{ name: 'x' }, 'worker_id is an object, expected a string'],
  [7, 'worker_id is a number, expected a string'],
  [undefined, 'worker_id is undefined, expected a string'],
])('a worker id that is %j is refused in words', async (id, message) => {
  const manager = new TelemetryManager();
  expect(() => manager.registerWorker(id as never)).toThrow(message);
  expect(() => manager.processHeartbeat({ workerId: id } as never)).toThrow(message);
  expect(() => manager.processHeartbeat(id as never)).toThrow('expected a');
});
