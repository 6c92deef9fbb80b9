/** The private authority of deploy/make-certificates.sh, and a master and a worker that trust it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeWith } from '../support/debian.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const SCRIPT = fileURLToPath(new URL('../../deploy/make-certificates.sh', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-authority-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = (...args: string[]) => spawnSync('sh', [SCRIPT, ...args], { encoding: 'utf8' });

describeWith('openssl')('deploy/make-certificates.sh', () => {
  test('makes what a master and its workers need; keys are for their owner alone', () => {
    expect(make(folder, 'master', 'master', 'localhost', '127.0.0.1', '::1')).toMatchObject({ status: 0, stderr: '' });
    expect(make(folder, 'worker', 'w-1')).toMatchObject({ status: 0, stderr: '' });
    const modes = readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]);
    expect(Object.fromEntries(modes)).toEqual({
      'ca.crt': '644',
      'ca.key': '600',
      'ca.srl': '600',
      'master.crt': '644',
      'master.key': '600',
      'worker-w-1.crt': '644',
      'worker-w-1.key': '600',
    });
  });

  test('a worker is known to a master by its certificate', async () => {
    make(folder, 'master', 'localhost', '127.0.0.1');
    make(folder, 'worker', 'w-1');
    const of = (name: string) => join(folder, name);
    const master = new PulselaneProcess(['master'], {
      GRPC_PORT: '127.0.0.1:0',
      HTTP_PORT: 'off',
      TLS_CERT: of('master.crt'),
      TLS_KEY: of('master.key'),
      TLS_CLIENT_CA: of('ca.crt'),
    });
    const agent = new PulselaneProcess(['agent'], {
      WORKER_ID: 'w-1',
      MASTER_ADDRESS: `localhost:${await portOf(master, 'grpc')}`,
      MASTER_TLS_CA: of('ca.crt'),
      MASTER_TLS_CERT: of('worker-w-1.crt'),
      MASTER_TLS_KEY: of('worker-w-1.key'),
    });
    try {
      await master.logged(({ worker, to }) => worker === 'w-1' && to === 'active');
    } finally {
      await agent.close();
      await master.close();
    }
  });

  test.each([
    [[], 2, 'make-certificates.sh FOLDER master NAME'],
    [['server', 'localhost'], 2, 'make-certificates.sh FOLDER master NAME'],
    [['worker', 'a', 'b'], 2, 'make-certificates.sh FOLDER master NAME'],
    [['master', 'two words'], 1, '"two words": expected a host name or an address'],
    [['master', 'a,DNS:b'], 1, '"a,DNS:b": expected a host name or an address'],
    [['worker', '../escape'], 1, '"../escape": expected a worker’s id'],
  ])('%j is refused', (args, status, message) => {
    const made = make(folder, ...args);
    expect(made.status).toBe(status);
    expect(made.stderr.replaceAll("'", '’')).toContain(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('takes for an address what is one, and says what openssl says', () => {
    expect(make(folder, 'master', '1.2.3.4.example.com', 'host_1', '10.0.0.5', '::1').stdout).toContain(
      '(DNS:1.2.3.4.example.com,DNS:host_1,IP:10.0.0.5,IP:::1)',
    );
    const other = join(folder, 'other');
    const made = make(other, 'master', '1.2.3');
    expect(made.status).toBe(1);
    expect(made.stderr).toMatch(/bad ip address[\s\S]*could not sign the certificate of IP:1\.2\.3/);
  });

  test('nothing that exists is replaced', () => {
    make(folder, 'master', 'localhost');
    const key = readFileSync(join(folder, 'master.key'));
    const again = make(folder, 'master', 'localhost');
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('master.key exists');
    expect(readFileSync(join(folder, 'master.key')).equals(key)).toBe(true);
  });
});
