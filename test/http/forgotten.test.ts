import { expect, it } from 'vitest';
import { FrameBudget } from '../../src/http/live/frame-budget.ts';
import { LegacyFrames } from '../../src/http/live/legacy-frames.ts';
import type { WorkerEntry } from '../../src/reading/directory.ts';
import { task } from '../support/fleet.ts';
import { newApp } from './support.ts';

const ids = ['node-a', 'node-b', 'node-c'];

/**
 * A thread that was held up knows a worker whose row and memory have been another's for a while: either before it begins to
 * answer, or just after it has asked the board whose the row is.
 */
async function atEachLook(answer: (parts: ReturnType<typeof newApp>) => Promise<void>): Promise<number> {
  for (let look = 0; ; look++) {
    // Memory with columns for metrics would not be another's: without samples there are none.
    const parts = newApp({ ringSamples: 0 });
    const { fleet, directory } = parts;
    for (const id of ids) {
      fleet.register(id);
      fleet.beat(id, { cpuUsage: 1, metrics: new Map([['depth', 1]]), runningTasks: [task('t')] });
    }
    // Maps are kept joined from here on.
    await parts.app.request('/telemetry');
    await parts.app.request('/workers');
    fleet.beat('node-b', { cpuUsage: 2 });
    const row = fleet.rowOf('node-b');
    let looks = 0;
    const handOver = () => {
      fleet.handOver('node-b', 'stranger');
      fleet.beat('stranger', { cpuUsage: 77.125, metrics: new Map([['depth', 77.125]]) });
    };
    const { board } = directory;
    const isOccupiedBy = board.isOccupiedBy.bind(board);
    board.isOccupiedBy = (of, occupant) => {
      const isTheirs = isOccupiedBy(of, occupant);
      if (of === row && ++looks === look) handOver();
      return isTheirs;
    };
    if (look === 0) handOver();
    await answer(parts);
    if (looks < look) return look;
  }
}

it.each([
  ['/telemetry', (body: object) => Object.keys(body)],
  ['/workers', (body: object) => Object.keys(body)],
  ['/api/v1/workers?sort=-cpu_usage&fields=telemetry,cpu_usage,metrics', (body) => idsOf(body)],
  ['/api/v1/workers?min.cpu_usage=0&min.metrics.depth=0&fields=telemetry', (body) => idsOf(body)],
  ['/api/v1/cluster', undefined],
] as [string, ((body: object) => string[]) | undefined][])(
  '%s leaves out whoever was forgotten',
  async (path, shownOf) => {
    const looks = await atEachLook(async ({ app }) => {
      const response = await app.request(path);
      const text = await response.text();
      expect([path, response.status, text]).toEqual([path, 200, expect.not.stringContaining('stranger')]);
      expect(text).not.toContain('77.125');
      const shown = shownOf?.(JSON.parse(text)) ?? ids;
      for (const id of ['node-a', 'node-c']) expect(shown).toContain(id);
    });
    expect(looks).toBeGreaterThan(1);
  },
);

const idsOf = (body: object) =>
  (body as { workers: { telemetry: { worker_id: string } }[] }).workers.map(({ telemetry }) => telemetry.worker_id);

it.each(['/telemetry/node-b', '/api/v1/workers/node-b'])(
  '%s: a worker that was forgotten is not known',
  async (path) => {
    const looks = await atEachLook(async ({ app }) => {
      const response = await app.request(path);
      const text = await response.text();
      expect([200, 404]).toContain(response.status);
      expect(text).not.toMatch(/stranger|77\.125/);
    });
    expect(looks).toBeGreaterThan(2);
  },
);

it('a WebSocket is told nothing of a worker that was forgotten', async () => {
  const looks = await atEachLook(async ({ directory, revisions }) => {
    const frames = new LegacyFrames(directory, revisions, new FrameBudget(1e6));
    const entry = directory.rows.find((known) => known?.workerId === 'node-b') as WorkerEntry;
    const told = `${frames.of(entry)?.bytes ?? ''}${frames.ofAll().bytes}`;
    expect(told).not.toMatch(/stranger|77\.125/);
    expect(told).toContain('node-c');
  });
  expect(looks).toBeGreaterThan(1);
});
