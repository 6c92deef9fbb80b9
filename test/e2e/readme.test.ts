import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { openShell, type Shell } from '../support/shell.ts';

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/<!-- test:shell -->\s+```sh\n([\s\S]*?)```/g)].map((match) => match[1] as string);
const commands = blocks.flatMap((block) => block.trim().split('\n'));

/** The contract's own lines, which must stand in the README too. */
const CONTRACT = [
  'curl http://localhost:8080/telemetry | jq',
  'curl http://localhost:8080/telemetry/worker-1 | jq',
  "curl -s http://localhost:8080/workers | jq 'to_entries | map(select(.value.is_active)) | length'",
  "watch -n 1 'curl -s http://localhost:8080/telemetry/worker-1 | jq'",
];

let master: PulselaneProcess;
let agent: PulselaneProcess;
let shell: Shell;
let httpPort: number;

beforeAll(async () => {
  master = new PulselaneProcess(['master'], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'localhost:0' });
  httpPort = await portOf(master, 'http');
  agent = new PulselaneProcess(['agent', '--master', `127.0.0.1:${await portOf(master, 'grpc')}`, '--id', 'worker-1']);
  await master.logged(({ msg, worker }) => worker === 'worker-1' && /active/.test(msg));
  shell = openShell({ PULSELANE_URL: `http://localhost:${httpPort}` });
  await eventually(() => master.process.exitCode === null);
});

afterAll(async () => {
  await agent?.close();
  await master?.close();
  shell?.close();
});

const onThisPort = (command: string) => command.replaceAll('localhost:8080', `localhost:${httpPort}`);

test('the README holds the contract’s lines as they stand', () => {
  for (const line of CONTRACT) expect(readme).toContain(line);
});

test.each(commands)('%s', async (command) => {
  const printed = await shell.run(onThisPort(command));
  expect(printed.trim()).not.toBe('');
  if (/\| jq$/.test(command) || command.endsWith('json')) expect(JSON.stringify(JSON.parse(printed))).toMatch(/worker/);
  if (/length'$/.test(command)) expect(printed.trim()).toBe('1');
});

test('what watch runs each second works', async () => {
  const inner = /watch -n 1 '(.*)'/.exec(CONTRACT[3] as string)?.[1] as string;
  expect(JSON.parse(await shell.run(onThisPort(inner)))).toMatchObject({ worker_id: 'worker-1', is_active: true });
});
