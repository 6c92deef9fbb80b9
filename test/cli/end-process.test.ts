import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from '@lydell/node-pty';
import { expect, onTestFinished, test } from 'vitest';

test('a process that ends at once gives the terminal back as it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const program = fileURLToPath(new URL('./programs/raw-end.ts', import.meta.url));
  const pty = spawn('/bin/sh', ['-c', '"$@"; echo "code $?"; stty -a', 'sh', process.execPath, program, fifo], {});
  onTestFinished(() => pty.kill('SIGKILL'));
  let shown = '';
  pty.onData((data) => {
    shown += data;
  });
  await new Promise((resolve) => pty.onExit(resolve));
  expect(shown).toContain('code 7');
  expect(shown).toMatch(/[^-]\bicanon\b/);
  expect(shown).toMatch(/[^-]\becho\b/);
}, 30_000);
