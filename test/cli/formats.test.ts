/** What the client's commands print for programs, of a real API; and that docs/command-line.md says so. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { ALERT_FIELDS } from '../../src/cli/views/alert-items.ts';
import { EVENT_FIELDS } from '../../src/cli/views/event-items.ts';
import { HISTORY_FIELDS } from '../../src/cli/views/history-view.ts';
import { fleetJson, STATUS_FIELDS } from '../../src/cli/views/status-json.ts';
import { TASK_FIELDS } from '../../src/cli/views/task-items.ts';
import { totalsOf } from '../../src/cli/views/views.ts';
import { measuredGpu, WORKER_FIELDS } from '../../src/cli/views/worker-items.ts';
import { NO_HOLDS } from '../../src/model/holds.ts';
import { FIELD_NAMES } from '../../src/reading/fields.ts';
import { newServer } from '../http/support.ts';
import { run } from './run.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const NO_FACTS = {
  totalCpu: 0,
  totalMemoryGib: 0,
  totalStorageGib: 0,
  totalGpu: 0,
  ip: '',
  ephemeral: false,
  instanceId: '',
  agentVersion: '',
};
const GPU = { index: 0, uuid: 'GPU-1', name: 'A100' };

/** Three workers: without a GPU, with an idle one, and one that never sent. */
async function fleetOfThree() {
  const server = await newServer();
  stops.push(server.stop);
  const { fleet } = server;
  const tell = (workerId: string, group: string, labels: Record<string, string>) =>
    fleet.onAnnounce([{ type: 'workerFacts', workerId, facts: { ...NO_FACTS, group, labels } }]);
  fleet.register('plain');
  tell('plain', 'rack-1', { zone: 'a' });
  fleet.beat('plain', { cpuUsage: 95 });
  fleet.register('-gpu');
  tell('-gpu', 'rack-2', { zone: 'b', role: '@x' });
  fleet.beat('-gpu', { cpuUsage: 5, gpus: [GPU] });
  fleet.register('silent');
  return server;
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');
const objects = (text: string) => lines(text).map((line) => JSON.parse(line) as Record<string, unknown>);
const idsOf = (text: string) => objects(text).map(({ worker_id }) => worker_id);

const page = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8');

/** The names in the first column of the table behind the mark `<!-- fields:… -->`. */
function documented(mark: string): string[] {
  const [, behind = ''] = page.split(`<!-- fields:${mark} -->`);
  const table = /\n\|[\s\S]*?\n\n/.exec(behind)?.[0] ?? '';
  return lines(table).flatMap((line) =>
    Array.from((line.split('|')[1] ?? '').matchAll(/`(\w+)`/g), ([, name]) => name as string),
  );
}

describe('the documented fields are those that are printed', () => {
  test('of workers, in JSON, JSON lines and CSV', async () => {
    const { url } = await fleetOfThree();
    const names = documented('workers');
    expect(names.toSorted()).toEqual([...WORKER_FIELDS].toSorted());
    const { stdout } = await run(['workers', '--url', url], { isTTY: false });
    const { workers, total, pending } = JSON.parse(stdout) as { workers: object[]; total: number; pending: unknown };
    expect([workers.length, total, pending]).toEqual([3, 3, []]);
    for (const worker of workers) expect(Object.keys(worker)).toEqual(WORKER_FIELDS);
    expect(objects((await run(['workers', '--url', url, '-o', 'jsonl'])).stdout)).toEqual(workers);
    expect(lines((await run(['workers', '--url', url, '-o', 'csv'])).stdout)[0]).toBe(WORKER_FIELDS.join(','));
  });

  test('of one worker', async () => {
    const { url } = await fleetOfThree();
    expect(documented('status-worker').toSorted()).toEqual([...STATUS_FIELDS].toSorted());
    const worker = JSON.parse((await run(['status', 'plain', '--url', url, '-o', 'json'])).stdout) as object;
    // What a master tells beyond them comes behind.
    expect(Object.keys(worker).slice(0, STATUS_FIELDS.length)).toEqual(STATUS_FIELDS);
    expect(worker).toMatchObject({ group: 'rack-1', labels: { zone: 'a' }, record: { gpu_usage: null } });
    // Those that a list has, too, are in the same order in both.
    const inBoth = FIELD_NAMES.filter((name) => STATUS_FIELDS.some((field) => field === name));
    expect(inBoth.length).toBeGreaterThan(12);
    expect(STATUS_FIELDS.filter((field) => inBoth.some((name) => name === field))).toEqual(inBoth);
  });

  test('of the fleet', async () => {
    const { url } = await fleetOfThree();
    const fleet = JSON.parse((await run(['status', '--url', url, '-o', 'json'])).stdout) as object;
    expect(Object.keys(fleet).toSorted()).toEqual(documented('status-fleet').toSorted());
    const nobody = {
      ...totalsOf([]),
      health: undefined,
      holds: NO_HOLDS,
      lanes: undefined,
      alerts: undefined,
      inside: undefined,
    };
    expect(Object.keys(fleetJson(nobody))).toEqual(Object.keys(fleet));
  });

  test('of history and of tasks', () => {
    expect(documented('history').toSorted()).toEqual([...HISTORY_FIELDS].toSorted());
    expect(documented('tasks').toSorted()).toEqual([...TASK_FIELDS].toSorted());
  });

  test('of events', async () => {
    const { url, fleet } = await fleetOfThree();
    fleet.onAnnounce([
      {
        type: 'events',
        events: [
          { id: 7, atUnixMs: 0, type: 'state', workerId: 'plain', from: 'suspect', to: 'inactive', cause: 'silence' },
        ],
      },
    ]);
    expect(documented('alerts').toSorted()).toEqual([...ALERT_FIELDS].toSorted());
    expect(documented('events').toSorted()).toEqual([...EVENT_FIELDS].toSorted());
    const { events } = JSON.parse((await run(['events', '--url', url, '-o', 'json'])).stdout) as { events: object[] };
    expect(events.map((event) => Object.keys(event))).toEqual([EVENT_FIELDS]);
    expect(objects((await run(['events', '--url', url, '-o', 'jsonl'])).stdout)).toEqual(events);
    const [names, first] = lines((await run(['events', '--url', url, '-o', 'csv'])).stdout);
    expect(names).toBe(EVENT_FIELDS.join(','));
    expect(first).toMatch(/^7,1970-01-01T00:00:00.000Z,state,plain,,suspect,inactive,silence,,/);
  });
});

describe('what was never received', () => {
  test('is null in JSON, empty in CSV and a dash in tables, and so is the GPU of a machine without one', async () => {
    const { url } = await fleetOfThree();
    const jsonl = objects((await run(['workers', '--url', url, '-o', 'jsonl'])).stdout);
    expect(
      jsonl.map(({ worker_id, cpu_usage, gpu_usage, running_tasks_count }) => [
        worker_id,
        cpu_usage,
        gpu_usage,
        running_tasks_count,
      ]),
    ).toEqual([
      ['-gpu', 5, 0, 0],
      ['plain', 95, null, 0],
      ['silent', null, null, null],
    ]);
    const csv = lines((await run(['workers', '--url', url, '-o', 'csv'])).stdout);
    // Ids and labels come from workers: none of them is a formula.
    expect(csv[1]).toMatch(/^'-gpu,.*,5,0,0,0,true,0,0$/);
    expect(csv[2]).toMatch(/^plain,.*,95,0,0,,false,0,0$/);
    expect(csv[3]).toMatch(/^silent,.*,,,,,false,,$/);
    const { stdout } = await run(['workers', '--url', url]);
    expect(stdout).toMatch(/^-gpu +active +5\.0% +0\.0% +0\.0% +0 /m);
    expect(stdout).toMatch(/^plain +active +95\.0% +0\.0% +– +0 /m);
    expect(stdout).toMatch(/^silent +registered +– +– +– +– /m);
    expect((await run(['status', 'plain', '--url', url])).stdout).toMatch(/^usage +CPU 95\.0%, memory 0\.0%, GPU –/m);
    // The mean is over those that have one.
    expect((await run(['status', '--url', url])).stdout).toMatch(/^mean usage +CPU 50\.0%, .*, GPU 0\.0%/m);
  });

  test('is told from a measured 0 by what the worker has reported', () => {
    expect(measuredGpu(0, false)).toBe(null);
    expect(measuredGpu(0, true)).toBe(0);
    expect(measuredGpu(0, null)).toBe(0);
    expect(measuredGpu(null, true)).toBe(null);
  });

  test('is null of a master that does not know it', async () => {
    const { url } = await fleetOfThree();
    const [worker] = objects((await run(['workers', 'silent', '--url', url, '-o', 'jsonl'])).stdout);
    expect(worker).toMatchObject({ group: null, labels: {}, stuck: null, interval_ms: null, skew_ms: null });
  });
});

describe('workers are filtered as the API filters them', () => {
  test.each([
    [
      ['--state', 'active'],
      ['-gpu', 'plain'],
    ],
    [['--state', 'registered,active', '--group', ''], ['silent']],
    [['--group', 'rack-1'], ['plain']],
    [['--label', 'zone=b'], ['-gpu']],
    [['--label', 'zone=b', '--label', 'role=@x'], ['-gpu']],
    [['--label', 'zone=a', '--label', 'role=@x'], []],
    [['--min', 'cpu_usage=50'], ['plain']],
    [['--max', 'cpu_usage=50'], ['-gpu']],
    [
      ['--sort', '-cpu_usage'],
      ['plain', '-gpu', 'silent'],
    ],
    [
      ['--sort', '-worker_id', '--limit', '2'],
      ['silent', 'plain'],
    ],
    [['pl'], ['plain']],
    [['pl', '--state', 'registered'], []],
  ])('%j', async (flags, expected) => {
    const { url } = await fleetOfThree();
    const { stdout } = await run(['workers', ...flags, '--url', url, '-o', 'jsonl']);
    expect(idsOf(stdout)).toEqual(expected);
  });

  test('and the table says how many match', async () => {
    const { url } = await fleetOfThree();
    const table = async (...flags: string[]) => (await run(['workers', ...flags, '--url', url])).stdout;
    expect(await table('--state', 'active', '--limit', '1')).toMatch(/\n\n1 of 2 matching workers\n$/);
    expect(await table('--state', 'left')).toBe('No worker matches.\n');
    expect(await table('--limit', '2')).toMatch(/\n\n2 of 3 workers\n$/);
  });

  test.each([
    [['--state', 'alive'], '--state alive: unknown value "alive"; expected one of registered, active,'],
    [['--isolation', 'own'], '--isolation own: unknown value "own"; expected one of dedicated, shared'],
    [['--label', 'zone'], '--label zone: expected <name>=<value>'],
    [['--label', 'zone=a', '--label', 'zone=b'], '--label zone=b: label.zone is given more than once'],
    [['--min', 'cpu=5'], '--min cpu=5: unknown field "cpu"; expected one of cpu_usage,'],
    [['--max', 'cpu_usage=high'], '--max cpu_usage=high: expected a number'],
    [['--sort', 'name'], '--sort name: cannot sort by "name"; expected one of worker_id,'],
    [['--sort', ''], '--sort "": cannot sort by ""'],
    [['--limit', '0'], '--limit 0: expected a whole number, at least 1'],
  ])('a wrong one is named as it was typed, before a master is asked: %j', async (flags, message) => {
    const { stderr, exitCode } = await run(['workers', ...flags, '--url', 'http://127.0.0.1:1']);
    expect(stderr).toContain(`pulselane: ${message}`);
    expect(exitCode).toBe(2);
  });
});
