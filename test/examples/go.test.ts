import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { describeWith } from '../support/debian.ts';
import { blockOf, ROOT } from '../support/doc-pages.ts';
import { testExampleWorker } from './example-worker.ts';

/** Compiling gRPC for the first time takes a minute on a busy machine. */
const BUILD_WITHIN_MS = 300_000;

describeWith(
  'golang-go',
  'golang-google-grpc-dev',
  'golang-github-golang-protobuf-1-5-dev',
)('the example worker in Go', () => {
  let folder: string;
  let built: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pulselane-go-'));
    // All but the first line, which installs the packages, and the last, which runs the worker.
    const commands = blockOf('test:languages:go', 'sh').trim().split('\n').slice(1, -1).join('\n');
    const script = `${commands}\nprintf %s "$build"`;
    const environment = { ...process.env, GOFLAGS: '', TMPDIR: folder };
    const { stdout } = await promisify(execFile)('sh', ['-ec', script], { cwd: ROOT, env: environment });
    built = join(stdout, 'go-worker');
    // Nothing is left in the clone.
    expect(existsSync(join(ROOT, 'go-worker'))).toBe(false);
  }, BUILD_WITHIN_MS);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  testExampleWorker(() => ({ file: built, args: [], dashes: '-' }));
});
