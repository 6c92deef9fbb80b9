/** The example workers that need no gRPC, as processes, against a real master. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test } from 'vitest';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { ExampleProcess } from './example-worker.ts';

const FOLDER = fileURLToPath(new URL('../../examples/http/', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'pulselane-http-examples-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const started: { end(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.end()));
});

/** A worker with its whole life: started before its master, with a token, until its farewell. */
async function live(id: string, file: string, dashes: string): Promise<void> {
  const port = await freePort();
  const token = `plt_${'x'.repeat(43)}`;
  const options = { master: `http://127.0.0.1:${port}`, id, interval: '1s', group: 'rack "1"' };
  const args = Object.entries(options).flatMap(([name, value]) => [`${dashes}${name}`, value]);
  const worker = new ExampleProcess('env', [`PULSELANE_TOKEN=${token}`, file, ...args]);
  started.push({ end: () => worker.end('SIGKILL') });
  await eventually(() => worker.printed !== '');
  expect(worker.printed).not.toContain('accepted');

  const tokens = join(temporary, hashOfToken(id));
  writeFileSync(tokens, workerTokenLine({ kind: 'worker', id }, hashOfToken(token)));
  const settings = {
    HTTP_PORT: `127.0.0.1:${port}`,
    GRPC_PORT: '127.0.0.1:0',
    WORKER_TOKENS_FILE: tokens,
    HISTORY: 'off',
  };
  const master = new PulselaneProcess(['master'], settings);
  started.push({ end: () => master.close() });
  await portOf(master, 'http');
  const shown = async () => {
    const response = await fetch(`${options.master}/api/v1/workers/${encodeURIComponent(id)}`);
    return (await response.json()) as { state: string; cause: string; heartbeats: { accepted: number } };
  };
  await eventually(async () => {
    const { state, heartbeats } = await shown();
    return state === 'active' && heartbeats.accepted >= 2;
  });
  const text = JSON.stringify(await shown());
  expect(text).toContain('"metrics":{"');
  expect(text).toContain(JSON.stringify(options.group));
  await eventually(() => worker.printed.includes('accepted'));
  expect(await worker.end('SIGTERM')).toBe(0);
  expect(await shown()).toMatchObject({ state: 'left', cause: 'farewell' });
  expect(worker.printed).toContain('farewell: ');
  expect(worker.printed).not.toContain(token);
}

describeWith('curl')('the example worker in bash', () => {
  test('lives as a worker does', () => live('bash "1"/a', join(FOLDER, 'worker.sh'), '--'));

  test.each([
    [['--interval', '5'], '--interval 5: expected a duration such as 10s, 5m or 1h\n'],
    [['--what'], 'unknown option --what; expected --master, --id, --interval or --group\n'],
    [['--id'], '--id needs a value\n'],
  ])('%j is an error', async (args, text) => {
    const worker = new ExampleProcess(join(FOLDER, 'worker.sh'), args);
    expect(await worker.ended()).toBe(2);
    expect(worker.printed).toBe(text);
  });
});

describeWith('python3')('the example worker in Python', () => {
  test('lives as a worker does', () => live('python "1"/a', join(FOLDER, 'worker.py'), '--'));
});

describeWith('golang-go')('the example worker in Go', () => {
  test('lives as a worker does', async () => {
    const built = join(temporary, 'go-worker');
    execFileSync('go', ['build', '-o', built, '.'], { cwd: join(FOLDER, 'go'), env: { ...process.env, GOFLAGS: '' } });
    await live('go "1"/a', built, '-');
  });
});
