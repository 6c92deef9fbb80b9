/** The blocks of docs/languages.md run as they stand there, but for the ports. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExampleProcess, workerDetail } from '../examples/example-worker.ts';
import { describeWith } from '../support/debian.ts';
import { blockOf, commandsOf, ROOT } from '../support/doc-pages.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';
import { openShell } from '../support/shell.ts';

describeWith('python3-grpcio')('the Python of the page', () => {
  let master: PulselaneProcess;
  let address: string;
  let httpPort: number;

  beforeAll(async () => {
    master = new PulselaneProcess(['master'], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'localhost:0' });
    address = `127.0.0.1:${await portOf(master, 'grpc')}`;
    httpPort = await portOf(master, 'http');
  });
  afterAll(() => master?.close());

  const python = (text: string) => text.replaceAll('python3', '/usr/bin/python3 -B');

  test('two commands make two workers with metrics of their own, and the page’s questions find them', async () => {
    const commands = python(blockOf('test:languages:python', 'sh')).replaceAll('.py', `.py --master ${address}`);
    const workers = new ExampleProcess('sh', ['-c', `${commands}wait`], { cwd: ROOT, detached: true });
    const shell = openShell();
    try {
      await eventually(async () => (await workerDetail(httpPort, 'python-1'))?.state === 'active');
      await eventually(async () => (await workerDetail(httpPort, 'python-2'))?.state === 'active');
      const [metrics = '', ids = ''] = commandsOf('test:languages:ask').map((line) =>
        line.replace('localhost:8080', `localhost:${httpPort}`),
      );
      expect(Object.keys(JSON.parse(await shell.run(metrics))).sort()).toEqual(['load_1m', 'processes']);
      expect(await shell.run(ids)).toMatch(/python-1\npython-2\n/);
    } finally {
      await workers.killGroup();
      shell.close();
    }
  });

  test('the smallest worker reports its metric', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pulselane-small-'));
    const file = join(folder, 'worker.py');
    await writeFile(file, blockOf('test:languages:small', 'python').replace('127.0.0.1:50051', address));
    // As if it had been saved there.
    const worker = new ExampleProcess('env', [`PYTHONPATH=${ROOT}examples/python`, '/usr/bin/python3', '-B', file]);
    try {
      const detail = await eventually(async () => {
        const seen = await workerDetail(httpPort, 'python-small');
        // Main takes it as active before its lane has read the heartbeat.
        return seen?.state === 'active' && seen.record !== null && seen;
      });
      expect(detail.record.metrics).toEqual({ queue_length: 3 });
    } finally {
      // As Ctrl-C does.
      await worker.end('SIGINT');
      await rm(folder, { recursive: true });
    }
    expect(worker.printed).toBe('');
  });
});
