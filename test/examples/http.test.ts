/** The example workers that need no gRPC, as processes, against a real master. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { ExampleProcess } from './example-worker.ts';

const FOLDER = fileURLToPath(new URL('../../examples/http/', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'pulselane-http-examples-'));
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  await Promise.all(ends.map((end) => end()));
  rmSync(temporary, { recursive: true, force: true });
});

interface Example {
  readonly id: string;
  readonly file: string;
  /** How its options begin: `--` or `-`. */
  readonly dashes: string;
  readonly prepare?: () => Promise<unknown>;
}

/** Those whose languages are here. */
const examples: Example[] = [];
const TOKEN = `plt_${'x'.repeat(43)}`;
const GROUP = 'rack "1"';

/** All of them, started before their master, and it. */
async function start() {
  const port = await freePort();
  const master = `http://127.0.0.1:${port}`;
  await Promise.all(examples.map(({ prepare }) => prepare?.()));
  const workers = new Map(
    examples.map(({ id, file, dashes }) => {
      const options = { master, id, interval: '1s', group: GROUP };
      const args = Object.entries(options).flatMap(([name, value]) => [`${dashes}${name}`, value]);
      const worker = new ExampleProcess('env', [`PULSELANE_TOKEN=${TOKEN}`, file, ...args]);
      ends.push(() => worker.end('SIGKILL'));
      return [id, worker];
    }),
  );
  for (const worker of workers.values()) {
    await eventually(() => worker.printed !== '');
    expect(worker.printed).not.toContain('accepted');
  }
  const tokens = join(temporary, 'worker-tokens');
  const lines = examples.map(({ id }) => workerTokenLine({ kind: 'worker', id }, hashOfToken(TOKEN)));
  writeFileSync(tokens, lines.join('\n'));
  const started = new PulselaneProcess(['master'], {
    HTTP_PORT: `127.0.0.1:${port}`,
    GRPC_PORT: '127.0.0.1:0',
    WORKER_TOKENS_FILE: tokens,
    HISTORY: 'off',
  });
  ends.push(() => started.close());
  await portOf(started, 'http');
  return { master, workers };
}
let stage: ReturnType<typeof start> | undefined;

/** A worker with its whole life: started before its master, with a token, until its farewell. */
function testLife(example: Example): void {
  examples.push(example);
  test('lives as a worker does', async () => {
    stage ??= start();
    const { master, workers } = await stage;
    const { id } = example;
    const worker = workers.get(id) as ExampleProcess;
    const shown = async () => {
      const response = await fetch(`${master}/api/v1/workers/${encodeURIComponent(id)}`);
      return (await response.json()) as { state: string; cause: string; heartbeats: { accepted: number } };
    };
    await eventually(async () => {
      const { state, heartbeats } = await shown();
      return state === 'active' && heartbeats.accepted >= 2;
    });
    const text = JSON.stringify(await shown());
    expect(text).toContain('"metrics":{"');
    expect(text).toContain(JSON.stringify(GROUP));
    await eventually(() => worker.printed.includes('accepted'));
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(await shown()).toMatchObject({ state: 'left', cause: 'farewell' });
    expect(worker.printed).toContain('farewell: ');
    expect(worker.printed).not.toContain(TOKEN);
  });
}

describeWith('curl')('the example worker in bash', () => {
  testLife({ id: 'bash "1"/a', file: join(FOLDER, 'worker.sh'), dashes: '--' });

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
  testLife({ id: 'python "1"/a', file: join(FOLDER, 'worker.py'), dashes: '--' });
});

describeWith('golang-go')('the example worker in Go', () => {
  const file = join(temporary, 'go-worker');
  const prepare = () => {
    const options = { cwd: join(FOLDER, 'go'), env: { ...process.env, GOFLAGS: '' } };
    return promisify(execFile)('go', ['build', '-o', file, '.'], options);
  };
  testLife({ id: 'go "1"/a', file, dashes: '-', prepare });
});
