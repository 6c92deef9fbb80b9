/** What the README says that one process cannot contain: a processor is trusted code with bugs, not hostile code. */
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { WorkerClient } from '../support/grpc-client.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const FAULTY = fileURLToPath(new URL('../support/processors/faulty.mjs', import.meta.url));

let master: PulselaneProcess;
let client: WorkerClient;
afterEach(async () => {
  client.close();
  await master.close();
});

test.each([
  ['end the process', 'SIGKILL', ''],
  ['allocate far too much', 'SIGABRT', 'heap out of memory'],
])('a processor that does "%s" ends the master', async (act, end, message) => {
  master = new PulselaneProcess(['master', '--processor', FAULTY], {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'off',
    LANE_HEAP: '16',
    // What must be seen is the end of the process, however slow the machine is.
    LANE_STALL: '60s',
  });
  client = new WorkerClient(await portOf(master, 'grpc'));
  expect(await client.sendHeartbeat({ workerId: 'a', cpuUsage: 1 })).toMatchObject({ success: true });
  // The answer may be on its way when the process ends.
  await client.sendHeartbeat({ workerId: 'a', runningTasks: [{ taskId: act }] }).catch(() => {});
  expect(await master.ended()).toBe(end);
  expect(master.stderr).toContain(message);
});

test('a processor that does not return does not hold up the end of the master', async () => {
  master = new PulselaneProcess(['master', '--processor', FAULTY], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off' });
  client = new WorkerClient(await portOf(master, 'grpc'));
  await client.sendHeartbeat({ workerId: 'a', runningTasks: [{ taskId: 'wait in the system for long' }] });
  await master.logged(({ msg, worker }) => msg.startsWith('lane failed') && worker === 'a');
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
  expect(master.log.at(-1)?.msg).toBe('stopped');
  expect(master.stderr).toBe('');
});

test('a wrong processor ends the start with one line', async () => {
  client = new WorkerClient(1);
  master = new PulselaneProcess(['master', '--processor', 'nowhere.mjs'], {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'off',
  });
  expect(await master.ended()).toBe(2);
  expect(master.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(master.stderr).toMatch(/^pulselane: processor \/.*nowhere\.mjs cannot be loaded: no such file\n$/);
  expect(master.log.filter(({ msg }) => /lane|threads/.test(msg))).toEqual([]);
});
