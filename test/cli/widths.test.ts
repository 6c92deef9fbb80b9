/** What people read in a window of any width: no line is wider, no row is broken, and nothing is lost without a sign. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { helpLines } from '../../src/cli/help-layout.ts';
import { PROMPT_COMMANDS } from '../../src/cli/prompt/commands.ts';
import { ENDLESS_PAGE, plainPage } from '../../src/cli/text/page.ts';
import { coloured } from '../../src/cli/text/paint.ts';
import { type Column, facts, table } from '../../src/cli/text/table.ts';
import { cutMiddle, widthOf } from '../../src/cli/text/width.ts';
import { eventsText } from '../../src/cli/views/events-text.ts';
import { historyText } from '../../src/cli/views/history-text.ts';
import type { HistoryView } from '../../src/cli/views/history-view.ts';
import type { TaskItem } from '../../src/cli/views/task-items.ts';
import { tasksText } from '../../src/cli/views/tasks-text.ts';
import type { LivenessView, WorkerDetailView, WorkerRow } from '../../src/cli/views/views.ts';
import { workerText } from '../../src/cli/views/worker-text.ts';
import { livenessText, pendingText, workersText } from '../../src/cli/views/workers-text.ts';
import { printable } from '../../src/lib/printable.ts';
import { WORKER_STATES } from '../../src/model/liveness.ts';
import { newServer } from '../http/support.ts';
import { run } from './run.ts';
import { trickyText, workerIdText } from './tricky-text.ts';

const GPU = { index: 0, uuid: 'GPU-1', name: 'NVIDIA A100-SXM4-80GB', memoryUsedBytes: 1, memoryTotalBytes: 8e10 };

/** Narrower windows than this have no room for one emoji beside an indentation. */
const LEAST_COLUMNS = 8;
const columns = fc.oneof(fc.constantFrom(40, 60, 80, 200), fc.integer({ min: LEAST_COLUMNS, max: 220 }));

const liveness: fc.Arbitrary<LivenessView> = fc.record({
  forMs: fc.nat(1e9),
  cause: fc.constantFrom('heartbeat', 'silence', 'master_restart'),
  stuck: fc.constantFrom(undefined, 'tasks'),
  isFlapping: fc.boolean(),
  hasConflict: fc.boolean(),
  intervalMs: fc.constantFrom(0, 5000),
  skewMs: fc.constantFrom(undefined, -250, 3_600_000),
  missed: fc.nat(1e6),
  late: fc.nat(10),
  duplicate: fc.nat(10),
  restarts: fc.nat(10),
});
const usage = fc.oneof(fc.constant(undefined), fc.double({ min: 0, max: 100, noNaN: true }));
const row: fc.Arbitrary<WorkerRow> = fc.record({
  workerId: workerIdText,
  state: fc.constantFrom(...WORKER_STATES),
  liveness: fc.oneof(fc.constant(undefined), liveness),
  usages: fc.oneof(fc.constant(undefined), fc.record({ cpu: usage, memory: usage, gpu: usage, storage: usage })),
  tasks: fc.nat(1e5),
  anomalyScore: fc.constantFrom(undefined, 0.12, 0.87),
  ageMs: fc.nat(1e9),
  lane: fc.constantFrom(
    undefined,
    { number: 3, kind: 'dedicated', state: 'ready', restarts: 0 } as const,
    { number: 12, kind: 'penalty', state: 'quarantined', restarts: 4 } as const,
  ),
  group: fc.oneof(fc.constant(''), trickyText),
  labels: fc.dictionary(trickyText, trickyText, { maxKeys: 3 }),
});

function historyViewOf(rows: readonly WorkerRow[]): HistoryView {
  const gap = { from: '2026-11-23T17:00:00.000Z', to: '2026-11-23T17:10:00.000Z', reason: 'samples_lost', lost: 3 };
  return {
    worker_id: rows[0]?.workerId ?? '',
    from: '2026-11-23T16:54:55.000Z',
    to: '2026-11-23T17:54:55.000Z',
    degraded: null,
    series: rows.map(({ workerId, ageMs, tasks }) => {
      const at = new Date(Date.parse('2026-11-23T16:54:55Z') + (ageMs % 3_600_000)).toISOString();
      const point = { at, min: ageMs, max: ageMs, mean: ageMs, last: ageMs, count: tasks };
      return { metric: `metrics.${workerId}`, tier: 'raw', step_ms: 0, points: [point], gaps: [gap] };
    }),
  };
}

function taskOf({ workerId, state, ageMs, tasks }: WorkerRow): TaskItem {
  const at = new Date(ageMs).toISOString();
  return {
    ...{ task_id: workerId, worker_id: workerId, status: state, outcome: 'finished', exit_code: tasks },
    ...{ first_seen_at: at, last_seen_at: at, started_at: null, ended_at: null, cpu_seconds: ageMs },
    ...{ max_rss_bytes: ageMs, cpu_allocated: 1, memory_allocated: 1, gpu_allocated: 0 },
  };
}

function widest(text: string): number {
  return Math.max(...text.split('\n').map(widthOf));
}

describe('in a window of any width', () => {
  test('no list is wider', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), columns, fc.boolean(), (rows, width, isWide) => {
        const page = { ...plainPage(width), isWide };
        const pending = rows.map(({ workerId }) => ({ workerId, firstSeenMs: 1, lastSeenMs: 1, attempts: 3 }));
        const events = rows.map(({ workerId, state }) => ({ atUnixMs: 0, whom: workerId, text: `worker is ${state}` }));
        const texts = [
          workersText(rows, { total: 1000, isFiltered: true }, page),
          livenessText(rows, { prefix: 'web-' }, page),
          pendingText(pending, page),
          eventsText(events, { isCut: true }, page),
          historyText(historyViewOf(rows), page),
          historyText(
            { ...historyViewOf(rows), degraded: { detail: 'the database is away' } },
            { ...page, isAscii: true },
          ),
          tasksText(rows.map(taskOf), { nowMs: 90_000, hasMore: true }, page),
        ];
        for (const text of texts) expect(widest(text)).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('no worker’s status is wider', () => {
    const worker: fc.Arbitrary<WorkerDetailView> = fc
      .record({ row, text: trickyText, name: trickyText })
      .map(({ row: known, text, name }) => ({
        ...known,
        runningTasks: [{ taskId: text, status: name, cpuAllocated: 1, memoryAllocated: 1, gpuAllocated: 0 }],
        gpus: [{ index: 0, uuid: text, name }],
        metrics: { [name]: 1.5 },
        anomaly: `${name} 3.9 × its usual spread above its usual 41 for 6 samples`,
        inside: undefined,
      }));
    fc.assert(
      fc.property(worker, columns, (known, width) => {
        const text = workerText(
          known,
          { maxItems: 0, whereAll: 'curl http://127.0.0.1:8080/telemetry/x' },
          plainPage(width),
        );
        expect(widest(text)).toBeLessThanOrEqual(width);
        expect(widest(workerText(known, {}, plainPage(width)))).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('each worker has its id, as far as there is room, its state and its age in the list', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}-[a-z]{1,30}-[0-9]{4}$/), { minLength: 1, maxLength: 5 }),
        columns,
        (ids, width) => {
          const rows = ids.map(
            (workerId): WorkerRow => ({
              workerId,
              state: 'inactive',
              liveness: undefined,
              usages: { cpu: 1, memory: 2, gpu: undefined, storage: 3 },
              tasks: 0,
              anomalyScore: undefined,
              ageMs: 65_000,
              lane: undefined,
              group: '',
              labels: {},
            }),
          );
          const text = workersText(rows, {}, plainPage(width)).replaceAll(/\s/g, '');
          expect(text.split('inactive').length - 1).toBe(ids.length);
          expect(text.split('1m5s').length - 1).toBe(ids.length);
          for (const id of ids) {
            const shown = [id, ...Array.from({ length: 30 }, (_, index) => cutMiddle(id, 10 + index))];
            expect(shown.some((each) => text.includes(each))).toBe(true);
          }
          // What is left out is named.
          for (const title of ['CPU', 'MEM', 'GPU', 'TASKS']) expect(text).toContain(title);
          expect(text).toContain('*thelastvalue');
        },
      ),
    );
  });

  test('a table has one line for each row and its columns in place, or is stacked', () => {
    const shape: readonly Column[] = [
      { title: 'ID', maxWidth: 30, shortensTo: 9 },
      { title: 'A', rank: 1 },
      { title: 'MARK', align: 'right' },
      { title: 'B', isExtra: true },
    ];
    fc.assert(
      fc.property(fc.array(workerIdText, { minLength: 1, maxLength: 6 }), columns, (ids, width) => {
        const text = table(
          shape,
          ids.map((id) => [id, 'aaaa', '@@', 'bbbb']),
          plainPage(width),
        );
        const [rows = '', leftOut = ''] = text.split('\n(no room for');
        const lines = rows.split('\n');
        if (!/^ID .*MARK/.test(text)) return;
        expect(lines).toHaveLength(ids.length + 1);
        const places = lines.slice(1).map((line) => widthOf(line.slice(0, line.lastIndexOf('@@'))));
        expect(new Set(places).size).toBe(1);
        for (const title of ['A', 'B'])
          expect(new RegExp(`^ID .*\\b${title}\\b`).test(rows)).not.toBe(leftOut.includes(title));
      }),
    );
  });

  test('facts keep every word', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'state', 'last heartbeat'), trickyText)),
        columns,
        (entries, width) => {
          const squeezed = (text: string) => text.replaceAll(/\s/gu, '');
          const shown = squeezed(facts(entries, plainPage(width)));
          expect(shown).toBe(squeezed(entries.map(([name, value]) => name + printable(value)).join('')));
        },
      ),
    );
  });

  test.each([20, 30, 40, 60, 80, 200])('the help of the prompt fits %i columns, and has every command', (width) => {
    const help = PROMPT_COMMANDS.find(({ names }) => names[0] === 'help');
    const text = help?.run([], { commands: PROMPT_COMMANDS, page: () => plainPage(width) } as never) as string;
    expect(widest(text)).toBeLessThanOrEqual(width);
    for (const { names } of PROMPT_COMMANDS) expect(text).toContain(names[0]);
  });

  test.each([40, 60, 80, 200])('--help fits %i columns, and loses no word', async (width) => {
    for (const command of [
      [],
      ['master'],
      ['workers'],
      ['status'],
      ['events'],
      ['isolate'],
      ['token', 'create'],
      ['config'],
    ]) {
      const { stdout } = await run([...command, '--help'], { columns: width });
      expect(widest(stdout)).toBeLessThanOrEqual(width);
      const words = (text: string) => text.split(/\s+/).filter((word) => word !== '\\' && word !== '');
      const { stdout: piped } = await run([...command, '--help'], { isTTY: false });
      expect(words(stdout)).toEqual(words(piped));
    }
  });
});

test.each([20, 40, 60, 80, 200])('what the commands print of a master fits %i columns', async (width) => {
  const { url, fleet, stop } = await newServer();
  try {
    for (const id of ['render-node-eu-west-0017', 'my worker', 'w']) fleet.register(id);
    fleet.beat('my worker', { cpuUsage: 12, metrics: new Map([['a.metric.with.a.long.name.indeed', 1]]), gpus: [GPU] });
    const brakes = [{ group: 'a-group-of-many-words', sinceUnixMs: 0, endsUnixMs: 300_000, silent: 3, watched: 4 }];
    const pending = [{ workerId: 'a-stranger-that-waits', firstSeenUnixMs: 0, lastSeenUnixMs: 0, attempts: 2 }];
    fleet.onAnnounce([
      { type: 'holds', holds: { graceEndsUnixMs: 60_000, brakes } },
      { type: 'pending', pending },
      { type: 'events', events: [{ id: 1, atUnixMs: 0, type: 'state', workerId: 'my worker', to: 'active' }] },
    ]);
    for (const command of [
      ['workers'],
      ['workers', '-o', 'wide'],
      ['liveness'],
      ['status'],
      ['status', 'my worker'],
      ['events'],
      ['config'],
    ]) {
      const asked = command[0] === 'config' ? command : [...command, '--url', url];
      const { stdout, stderr } = await run(asked, { columns: width });
      expect(stderr).toBe('');
      expect(widest(stdout), `${command.join(' ')}:\n${stdout}`).toBeLessThanOrEqual(width);
    }
  } finally {
    await stop();
  }
});

test('an example that is broken is still one command of a shell', () => {
  expect(helpLines('  pulselane workers --label zone=a --sort -cpu_usage', 40)).toBe(
    '  pulselane workers --label zone=a \\\n      --sort -cpu_usage',
  );
  expect(helpLines('  pulselane workers    who is there', 30)).toBe('  pulselane workers\n      who is there');
});

test('an id that is too long keeps both ends', () => {
  expect(cutMiddle('render-node-eu-west-0017', 15)).toBe('render-no…-0017');
  expect(cutMiddle('short', 15)).toBe('short');
  fc.assert(
    fc.property(trickyText, fc.integer({ min: 1, max: 30 }), (text, width) => {
      const shown = cutMiddle(printable(text), width);
      expect(widthOf(shown)).toBeLessThanOrEqual(width);
      expect(shown === printable(text) || shown.includes('…')).toBe(true);
    }),
  );
});

test('a wide list shows every column beside the others, or each worker by itself', () => {
  const one = fc
    .sample(row, { numRuns: 1, seed: 1 })
    .map((known) => ({ ...known, workerId: 'w', group: 'g', labels: { zone: 'a' } }));
  const page = { ...ENDLESS_PAGE, isWide: true };
  expect(workersText(one, {}, page).split('\n')[0]).toMatch(/GROUP .*LABELS$/);
  expect(workersText(one, {}, { ...page, columns: 30 })).toMatch(
    /^w\n( {2}.*\n)* {2}GROUP +g\n( {2}.*\n)* {2}LABELS +zone=a\n/,
  );
});

test('colours change no letter and no column', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), columns, (rows, width) => {
      const plain = workersText(rows, {}, plainPage(width));
      const painted = workersText(rows, {}, { ...plainPage(width), paint: coloured });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(painted.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain);
    }),
  );
});
