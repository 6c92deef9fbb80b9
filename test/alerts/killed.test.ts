import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { AlertRecord } from '../../src/alerts/state/record.ts';
import { repetitions } from '../support/repetitions.ts';

const PROGRAM = fileURLToPath(new URL('evaluating-process.ts', import.meta.url));

/** Kills it somewhere in what follows its n-th evaluation. */
async function evaluateAndKill(path: string, evaluations: number): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  for await (const line of createInterface({ input: child.stdout })) {
    expect(line).toMatch(/^\d+$/);
    if (Number(line) === evaluations) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
}

/** What the file says of each alert: its state, and what was sent of it, oldest first. */
function contents(path: string): Map<string, { state: string; sent: string[] }> {
  const db = new DatabaseSync(path);
  try {
    const alerts = new Map<string, { state: string; sent: string[] }>();
    for (const { id, record } of db.prepare('SELECT id, record FROM alerts').all()) {
      alerts.set(id as string, { state: (JSON.parse(record as string) as AlertRecord).core.state, sent: [] });
    }
    for (const { id, state } of db.prepare('SELECT id, state FROM sent ORDER BY n').all()) {
      const known = alerts.get(id as string) ?? { state: 'inactive', sent: [] };
      known.sent.push(state as string);
      alerts.set(id as string, known);
    }
    return alerts;
  } finally {
    db.close();
  }
}

test('a master killed at any instant of an evaluation forgets nothing, and nothing fires twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-killed-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'alerts.db');
  let fired = 0;
  for (let time = 0; time < repetitions(2, 60); time++) {
    await evaluateAndKill(path, 1 + ((time * 7) % 13));
    const alerts = contents(path);
    for (const [id, { state, sent }] of alerts) {
      // One after the other: it fires, it is resolved, it fires …
      for (const [n, what] of sent.entries()) {
        expect(what, `${id}: ${sent}`).toBe(n % 2 === 0 ? 'firing' : 'resolved');
      }
      // What was sent last is what is stored: neither is ahead of the other.
      expect(sent.at(-1) === 'firing', `${id}: ${state} after ${sent}`).toBe(state === 'firing');
      fired += sent.length;
    }
    expect(alerts.size).toBeGreaterThan(50);
  }
  // About half of 200 workers at the first evaluation.
  expect(fired).toBeGreaterThan(50);
});
