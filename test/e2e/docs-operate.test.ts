/** The commands of the docs that change something: run in the order in which they stand, against a master of their own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandsOf } from '../support/doc-pages.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { openShell, type Shell } from '../support/shell.ts';

let master: PulselaneProcess;
let agent: PulselaneProcess;
let shell: Shell;
let port: number;

beforeAll(async () => {
  master = new PulselaneProcess(['master'], {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: 'localhost:0',
    // One that was forgotten is soon back for the next command.
    HEARTBEAT_INTERVAL: '200ms',
    ALERTS: 'on',
  });
  port = await portOf(master, 'http');
  shell = openShell({ PULSELANE_URL: `http://localhost:${port}` });
  // A group of its own, so that the commands that name a group find it.
  agent = new PulselaneProcess([
    ...['agent', '--master', `127.0.0.1:${await portOf(master, 'grpc')}`],
    ...['--id', 'worker-1', '--group', 'rack-1'],
  ]);
});

afterAll(async () => {
  await agent?.close();
  await master?.close();
  shell?.close();
});

async function isKnown(): Promise<boolean> {
  const answer = await fetch(`http://localhost:${port}/telemetry/worker-1`);
  await answer.text();
  return answer.ok;
}

/** What may be refused here, since nothing is held: those commands were understood. */
const NOTHING_TO_RELEASE = /no brake is active|is not in quarantine/;

test('each of them does what it says, or has nothing to end', async () => {
  const commands = commandsOf('test:operate');
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    await eventually(isKnown);
    const line = command.replaceAll('localhost:8080', `localhost:${port}`);
    const printed = await shell.run(line).catch(({ stderr }) => `urn:pulselane:error ${stderr}`);
    if (printed.includes('urn:pulselane:error')) expect(printed, command).toMatch(NOTHING_TO_RELEASE);
    else expect(printed.trim(), command).not.toBe('');
  }
});
