import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENDLESS_PAGE } from '../../src/cli/text/page.ts';
import { widthOf } from '../../src/cli/text/width.ts';
import type { ApiAnswer } from '../../src/cli/views/api-answer.ts';
import { clusterText, internalStateText } from '../../src/cli/views/cluster-text.ts';
import { eventCount, eventsText } from '../../src/cli/views/events-text.ts';
import { clusterViewOf, legacyDetailOf, totalsOfCluster } from '../../src/cli/views/from-api.ts';
import { internalStateView } from '../../src/cli/views/internal-state-view.ts';
import { laneLimitText, lanePlanFields, lanePlanText } from '../../src/cli/views/lane-plan-text.ts';
import { liveText } from '../../src/cli/views/live-text.ts';
import { type LivenessView, totalsOf, type WorkerDetailView, type WorkerRow } from '../../src/cli/views/views.ts';
import { legacyItemsOf, rowOfItem } from '../../src/cli/views/worker-items.ts';
import { workerText } from '../../src/cli/views/worker-text.ts';
import { livenessText, pendingText, workersText } from '../../src/cli/views/workers-text.ts';
import { NO_HOLDS } from '../../src/model/holds.ts';
import type { LaneLimit } from '../../src/model/lanes.ts';
import type { Directory } from '../../src/reading/directory.ts';
import { INTERNAL_STATE, LANE_PLAN } from '../support/internal-state.ts';
import { CONTROL, trickyText, workerIdText } from './tricky-text.ts';

const LANE = { number: 3, kind: 'dedicated', state: 'ready', restarts: 0 } as const;
const NONE_REPLACED = {
  replaced: 0,
  replacedBy: { backlog: 0, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
};
const NONE_LOST = { lost: 0, lostBy: { crash: 0, exit: 0, memory: 0, stall: 0 } };

function row(workerId: string, more: Partial<WorkerRow> = {}): WorkerRow {
  const usages = { cpu: 12.34, memory: 40, gpu: 0, storage: 70 };
  return {
    workerId,
    state: 'active',
    usages,
    tasks: 2,
    anomalyScore: undefined,
    ageMs: 3200,
    liveness: undefined,
    lane: LANE,
    group: '',
    labels: {},
    ...more,
  };
}

function detail(workerId: string, more: Partial<WorkerDetailView> = {}): WorkerDetailView {
  return { ...row(workerId), runningTasks: [], gpus: [], metrics: {}, anomaly: undefined, inside: undefined, ...more };
}

const tricky: fc.Arbitrary<WorkerDetailView> = fc
  .record({ id: workerIdText, text: trickyText, name: trickyText })
  .map(({ id, text, name }) =>
    detail(id, {
      state: 'inactive',
      runningTasks: [
        { taskId: text, status: name, cpuAllocated: 0.5, memoryAllocated: 0.25, gpuAllocated: 0, progress: 0.5 },
        {
          taskId: name,
          status: text,
          cpuAllocated: 2,
          memoryAllocated: 1,
          gpuAllocated: 1,
          startedAtUnixMs: 8.64e15 + 1,
        },
      ],
      gpus: [{ index: 0, uuid: text, name, memoryUsedBytes: 1024 ** 3 }],
      metrics: { [name]: 1.5, __proto__: 2 },
      inside: {
        record: { bytes: 400, roomBytes: 1024 },
        leftOut: { count: 3, names: [name, text] },
        registeredUnixMs: 0,
        counts: { accepted: 5, applied: 4, rejected: 1, ...NONE_REPLACED, ...NONE_LOST },
        rejection: { reason: text, ageMs: 500 },
        fault: { cause: 'crash', reason: text, ageMs: 700 },
        isolation: { decided: 'auto', wishesOwn: false },
        sharesWith: [name, text],
        timing: { hostLoopLagMs: 1.5, lastRoundTripMs: 20 },
        address: text,
        facts: {
          totalCpu: 8,
          totalMemoryGib: 15.6,
          totalStorageGib: 100,
          totalGpu: 1,
          ip: name,
          labels: { [name]: text },
          group: name,
          ephemeral: true,
          instanceId: text,
          agentVersion: name,
        },
      },
    }),
  );

const CAPACITY = { totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0 };

test.each([
  [{}, undefined],
  [{ totalCpu: 8, totalMemoryGib: 15.6, totalStorageGib: 100 }, '8 cores, memory 15.6 GiB, storage 100.0 GiB, 0 GPUs'],
  [{ totalCpu: 1 }, '1 core, 0 GPUs'],
  [{ totalGpu: 2 }, '2 GPUs'],
])('of a capacity of %o only what a worker told is shown', (told, shown) => {
  const texts = { ip: '', labels: {}, group: '', instanceId: '', agentVersion: '' };
  const inside = {
    record: { bytes: 400, roomBytes: 1024 },
    leftOut: { count: 0, names: [] },
    registeredUnixMs: 0,
    counts: { accepted: 0, applied: 0, rejected: 0, ...NONE_REPLACED, ...NONE_LOST },
    rejection: undefined,
    fault: undefined,
    isolation: { decided: 'auto', wishesOwn: false } as const,
    sharesWith: [],
    timing: undefined,
    address: undefined,
    facts: { ...CAPACITY, ...texts, ephemeral: false, ...told },
  };
  expect(/^capacity +(.*)$/m.exec(workerText(detail('a', { inside })))?.[1]).toBe(shown);
});

test('an anomaly is told in words of its worker, and in the list while there is one', () => {
  const text = 'memory 7.2 × its usual spread above its usual 22.4 % for 9 samples';
  const odd = detail('odd', { anomalyScore: 0.834, anomaly: text });
  expect(workerText(odd)).toMatch(/^anomaly +memory 7\.2 × .* for 9 samples \(score 0\.83\)$/m);
  expect(workerText(detail('usual', { anomalyScore: 0.12 }))).toMatch(/^anomaly +none \(score 0\.12\)$/m);
  expect(workerText(detail('unscored'))).not.toContain('anomaly');
  // Its last values are old, and so is what they say.
  const silent = { ...odd, workerId: 'silent', state: 'inactive' };
  expect(workerText(silent)).not.toContain('anomaly');
  expect(workersText([odd, row('usual', { anomalyScore: 0.12 }), silent])).toMatch(
    / ANOMALY .*\n(?:.*\n)*odd .* 0\.83 .*\n^usual .* – /m,
  );
  expect(workersText([row('usual', { anomalyScore: 0.12 }), silent])).not.toContain('ANOMALY');
});

describe('whatever a worker calls itself and its things', () => {
  test('no view lets a control character through', () => {
    fc.assert(
      fc.property(tricky, (worker) => {
        const pending = [{ workerId: worker.workerId, firstSeenMs: 1, lastSeenMs: 1, attempts: 1 }];
        const live = liveText(worker.workerId, worker, { columns: 50, rows: 10 });
        for (const text of [workersText([worker]), workerText(worker), pendingText(pending), ...live]) {
          expect(text.split('\n').filter((line) => CONTROL.test(line))).toEqual([]);
        }
      }),
    );
  });

  test('the list has a line for each and its columns in place', () => {
    fc.assert(
      fc.property(fc.array(workerIdText, { minLength: 1, maxLength: 5 }), (ids) => {
        const lines = workersText(ids.map((id) => row(id, { state: '@@', usages: undefined }))).split('\n');
        expect(lines).toHaveLength(ids.length + 3);
        const places = lines.slice(1, -2).map((line) => widthOf(line.slice(0, line.lastIndexOf('@@'))));
        expect(new Set(places).size).toBe(1);
      }),
    );
  });

  test('a live frame stays within the terminal', () => {
    fc.assert(
      fc.property(
        tricky,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 2, max: 40 }),
        (worker, columns, rows) => {
          const lines = liveText(worker.workerId, worker, { columns, rows });
          expect(lines.length).toBeLessThan(Math.max(3, rows));
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(Math.max(1, columns - 1));
        },
      ),
    );
  });
});

test('the list shows usages, age and lane of each worker', () => {
  const rows = [
    row('node-a'),
    row('node-b', {
      state: 'registered',
      usages: undefined,
      tasks: 0,
      ageMs: 65_000,
      lane: { ...LANE, kind: 'shared' },
    }),
    row('node-c', { state: 'inactive', lane: { ...LANE, number: 12, state: 'restarting', restarts: 2 } }),
  ];
  expect(workersText(rows)).toBe(
    [
      'ID      STATE          CPU     MEM    GPU  TASKS   LAST  LANE',
      'node-a  active       12.3%   40.0%   0.0%      2     3s  3 dedicated',
      'node-b  registered       –       –      –      –  1m 5s  3 shared',
      'node-c  inactive    *12.3%  *40.0%  *0.0%     *2     3s  12 dedicated, restarting, restarted 2×',
      '* the last value of a worker that is silent now',
      '',
      '3 workers',
    ].join('\n'),
  );
});

test('a long id keeps both ends in the list, and is whole where all is shown, and in its status', () => {
  const id = `${'x'.repeat(200)}${'y'.repeat(56)}`;
  expect(workersText([row(id)])).toContain(`\n${'x'.repeat(24)}…${'y'.repeat(15)}  active`);
  expect(workersText([row(id)], {}, { ...ENDLESS_PAGE, isWide: true })).toContain(`\n${id}  active`);
  expect(workerText(detail(id))).toContain(`worker          ${id}\n`);
});

test('the list is without lanes where none is known, and says how to begin when it is empty', () => {
  expect(workersText([row('a', { lane: undefined })]).split('\n')[0]).toMatch(/LAST$/);
  expect(workersText([])).toContain('pulselane agent --master');
});

test('those who wait are listed with a hint', () => {
  const text = pendingText([{ workerId: 'late', firstSeenMs: 61_000, lastSeenMs: 0, attempts: 1200 }]);
  expect(text).toContain('approve <id>');
  expect(text).toMatch(/late {2}1m 1s {3}<1s {2}1,200$/);
  expect(pendingText([])).toBe('');
});

test('the status of a worker tells why and when a heartbeat was rejected', () => {
  const text = workerText(
    detail('node-a', {
      inside: {
        record: { bytes: 400, roomBytes: 1024 },
        leftOut: { count: 12, names: ['metrics.a', 'gpus.0.power_watts'] },
        registeredUnixMs: 1_795_456_495_000,
        counts: {
          accepted: 18,
          applied: 8,
          rejected: 2,
          replaced: 5,
          replacedBy: { backlog: 4, restart: 1, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
          lost: 3,
          lostBy: { crash: 0, exit: 0, memory: 1, stall: 2 },
        },
        rejection: { reason: 'cpu_usage is NaN', ageMs: 4000 },
        fault: { cause: 'stall', reason: 'it made no progress for 2 s', ageMs: 9000 },
        isolation: { decided: 'dedicated', wishesOwn: true },
        sharesWith: ['b', 'c', 'd', 'e', 'f', 'g', 'h'],
        timing: undefined,
        address: '10.0.0.9:50052',
        facts: undefined,
      },
    }),
  );
  expect(text).toMatch(
    /^not in history +12 metrics \(HISTORY_METRICS\): metrics.a, gpus.0.power_watts and 10 others$/m,
  );
  expect(text).toContain('last rejection  cpu_usage is NaN (4s ago)');
  expect(text).toContain(
    'heartbeats      18 accepted: 8 applied, 2 rejected, 5 replaced (4 backlog, 1 restart), 3 lost (1 memory, 2 stall)',
  );
  expect(text).toContain('last failure    stall: it made no progress for 2 s (9s ago)');
  expect(text).toContain('isolation       dedicated, decided by an operator; the worker wishes for a lane of its own');
  expect(text).toContain('shares it with  b, c, d, e, f and 2 others');
  expect(text).not.toContain('release');
  expect(text).toContain('registered      2026-11-23T17:54:55Z');
  expect(text).toContain('address         10.0.0.9:50052');
});

test('a worker in quarantine is told how it gets out', () => {
  const inside = {
    record: { bytes: 400, roomBytes: 1024 },
    leftOut: { count: 0, names: [] },
    registeredUnixMs: 0,
    counts: { accepted: 5, applied: 0, rejected: 0, ...NONE_REPLACED, ...NONE_LOST },
    rejection: undefined,
    fault: { cause: 'crash', reason: 'no', ageMs: 1000 } as const,
    isolation: { decided: 'auto', wishesOwn: false } as const,
    sharesWith: [],
    timing: undefined,
    address: undefined,
    facts: undefined,
  };
  const text = workerText(detail('a', { lane: { ...LANE, state: 'quarantined', restarts: 5 }, inside }));
  expect(text).toContain('3 dedicated, quarantined, restarted 5×');
  expect(text).not.toContain('isolation');
  expect(text).toContain('"release a" tries it again now');
});

test('a worker with ten thousand tasks shows as many as asked for and counts the rest', () => {
  const runningTasks = Array.from({ length: 10_000 }, (_, index) => ({
    taskId: `t${index}`,
    status: 'running',
    cpuAllocated: 1,
    memoryAllocated: 1,
    gpuAllocated: 0,
  }));
  const text = workerText(detail('a', { runningTasks }), { maxItems: 200, whereAll: 'curl x' });
  expect(text).toContain('t199 ');
  expect(text).not.toContain('t200 ');
  expect(text).toContain('… and 9,800 more: curl x');
});

test('means are those of the active workers', () => {
  const totals = totalsOf([
    row('a', { usages: { cpu: 10, memory: 20, gpu: 0, storage: 1 } }),
    row('b', { usages: { cpu: 30, memory: 40, gpu: 100, storage: 3 } }),
    row('c', { state: 'inactive', usages: { cpu: 99, memory: 99, gpu: 99, storage: 99 } }),
    row('d', { state: 'registered', usages: undefined }),
  ]);
  expect(totals).toMatchObject({ workers: 4, tasks: 4, means: { cpu: 20, memory: 30, gpu: 50, storage: 2 } });
  expect(
    clusterText({
      ...totals,
      health: undefined,
      holds: NO_HOLDS,
      lanes: undefined,
      alerts: undefined,
      inside: undefined,
    }),
  ).toContain('workers     4, 1 inactive, 1 registered, 2 active');
});

test('the inside of a master is shown with each lane, and with what limits them', () => {
  const directory = {
    all: () => ['a', 'b', 'c', 'd'].map((workerId, row) => ({ workerId, row })),
    board: { lane: (row: number) => ({ number: row === 0 ? 1 : 2 }) },
  } as unknown as Directory;
  const text = internalStateText(internalStateView(INTERNAL_STATE, directory));
  expect(text).toContain('left behind      2 threads that did not end');
  expect(text).toContain(
    'heartbeats       1,204 accepted: 1,200 applied, 1 rejected, 1 replaced (1 backlog), 1 lost (1 stall), ' +
      '1 forgotten with their worker\n',
  );
  expect(text).toContain('gRPC             1 connection, 3 streams\n');
  expect(text).toContain('main thread      late by 0.3 ms, at most 12 ms\n');
  expect(text).toContain('boot id          0123456789abcdef0123456789abcdef\n');
  expect(text).toContain('lanes            2, at most 2,527 dedicated (set by MAX_DEDICATED_LANES)\n');
  expect(text).toContain(
    'record memory    1.0 MiB in records, 0.0 MiB on their way, 0.0 MiB let go, of 512.0 MiB; one record may have 8.0 MiB',
  );
  expect(text).toContain(
    [
      'Thread budget',
      '  LIMIT        SET BY                 LANES',
      '  memory       memory.max               742',
      '  cores        MAX_DEDICATED_LANES    1,024',
      '  memory maps  vm.max_map_count       1,217',
      '  processes    kernel.threads-max   144,000',
    ].join('\n'),
  );
  expect(
    text
      .split('\n')
      .slice(-3)
      .map((line) => line.trim().split(/ {2,}/)),
  ).toEqual([
    ['LANE', 'KIND', 'STATE', 'WORKERS', 'RESTARTS', 'LAST FAILURE', 'SERVES'],
    ['1', 'dedicated', 'ready', '1', '0', 'a'],
    ['2', 'shared', 'ready', '2', '3', 'it ended', 'b, c, d'],
  ]);
});

test('the plan of lanes is told with every limit that is known, or with the setting that overrides them', () => {
  expect(lanePlanText(LANE_PLAN)).toBe(
    'Lanes: 742 workers can have a thread of their own, limited by memory (cores allow 1,024; memory maps 1,217; ' +
      'processes 144,000); the others share 2 threads',
  );
  expect(lanePlanText({ ...LANE_PLAN, isSet: true, dedicated: 5000, shared: 1 })).toBe(
    'Lanes: 5,000 workers can have a thread of their own, set by MAX_DEDICATED_LANES; the others share 1 thread',
  );
  expect(lanePlanText({ ...LANE_PLAN, isSet: true, dedicated: 1 })).toContain(
    'Lanes: 1 worker can have a thread of its own, set',
  );
  expect(lanePlanText({ ...LANE_PLAN, isSet: true, dedicated: 0 })).toBe(
    'Lanes: all workers share 2 threads, set by MAX_DEDICATED_LANES',
  );
  const allowedBy = { memory: 742, cores: 1024, 'memory maps': 1217, processes: 144_000 };
  expect(lanePlanFields(LANE_PLAN)).toEqual({ dedicatedLanes: 742, sharedLanes: 2, limitedBy: 'memory', allowedBy });
  expect(lanePlanFields({ ...LANE_PLAN, byCores: 64, dedicated: 64 })).toMatchObject({
    dedicatedLanes: 64,
    limitedBy: 'cores',
  });
  expect(lanePlanFields({ ...LANE_PLAN, isSet: true })).toMatchObject({ limitedBy: 'MAX_DEDICATED_LANES', allowedBy });
});

test('why there are so many lanes is said with what changes it', () => {
  const setting = 'MAX_DEDICATED_LANES';
  const text = (limit: Partial<LaneLimit>) =>
    laneLimitText({ dedicated: 64, limitedBy: 'cores', setting, isMemoryShort: false, ...limit });
  expect(text({})).toBe('as many as the cores run well; MAX_DEDICATED_LANES changes it');
  expect(text({ limitedBy: 'first workers' })).toBe(
    '64 at least on any number of cores; MAX_DEDICATED_LANES changes it',
  );
  expect(text({ limitedBy: setting })).toBe(`set by ${setting}`);
  expect(text({ limitedBy: 'memory', setting: 'memory.max', isMemoryShort: true })).toBe(
    'limited by memory: memory.max; memory is short, no more are started',
  );
  // One core.
  expect(lanePlanText({ ...LANE_PLAN, byCores: 32, dedicated: 64 })).toContain('limited by cores (memory allows 742; ');
});

/** Of `GET /telemetry`. */
function legacyRowsOf(answer: ApiAnswer): WorkerRow[] {
  return legacyItemsOf(answer).map((item) => rowOfItem(item, answer.atUnixMs));
}

describe('an answer of the API', () => {
  const legacy = {
    worker_id: 'node-a',
    cpu_usage: 14.9,
    memory_usage: 0.58,
    gpu_usage: 0,
    running_tasks: [{ task_id: 't', cpu_allocated: 0.5, memory_allocated: 0.25, gpu_allocated: 0, status: 'running' }],
    last_update: 100,
    is_active: true,
  };

  test('of a legacy master, without anything that came later, is shown', () => {
    const [worker] = legacyRowsOf({ body: { 'node-a': legacy }, atUnixMs: 104_000 });
    expect(worker).toMatchObject({ workerId: 'node-a', state: 'active', tasks: 1, ageMs: 4000, lane: undefined });
  });

  test('keeps workers and metrics with the names of JavaScript’s own things', () => {
    const body: unknown = JSON.parse(
      `{"__proto__":${JSON.stringify({ ...legacy, worker_id: '__proto__' })},"a":${JSON.stringify({ ...legacy, worker_id: 'a' })}}`,
    );
    expect(legacyRowsOf({ body, atUnixMs: 0 }).map(({ workerId }) => workerId)).toEqual(['__proto__', 'a']);
    const metrics: unknown = JSON.parse('{"__proto__":7}');
    expect(workerText(legacyDetailOf({ body: { ...legacy, metrics }, atUnixMs: 0 }))).toMatch(/__proto__ +7/);
  });

  test('that is not a master’s is refused in one line', () => {
    for (const body of ['x', null, [1], { a: { worker_id: 1 } }]) {
      expect(() => legacyRowsOf({ body, atUnixMs: 0 })).toThrow('not that of a Pulselane master');
    }
    expect(() => clusterViewOf({ body: {}, atUnixMs: 0 }, totalsOf([]))).toThrow('/health');
    expect(() => totalsOfCluster({ body: {}, atUnixMs: 0 })).toThrow('/api/v1/cluster');
  });
});

const LIVENESS: LivenessView = {
  forMs: 14_000,
  cause: 'silence',
  stuck: undefined,
  isFlapping: false,
  hasConflict: false,
  intervalMs: 5000,
  skewMs: undefined,
  missed: 0,
  late: 0,
  duplicate: 0,
  restarts: 0,
};

test('a worker’s state tells since when and why, and what is out of the ordinary', () => {
  const usual = workerText(detail('w', { state: 'suspect', liveness: LIVENESS }));
  expect(usual).toContain('suspect for 14s (silence)\n');
  expect(usual).toContain('0 missed, 0 late, 0 duplicate');
  expect(usual).not.toMatch(/restarts|clock|stuck/);
  const liveness = {
    ...LIVENESS,
    stuck: 'tasks',
    isFlapping: true,
    hasConflict: true,
    skewMs: -3_600_000,
    missed: 1200,
    restarts: 3,
  };
  const unusual = workerText(detail('w', { liveness }));
  expect(unusual).toContain('active for 14s (silence), stuck, flapping, id conflict');
  expect(unusual).toContain('a running task makes no progress');
  expect(unusual).toContain('1h behind the master’s');
  expect(unusual).toContain('1,200 missed');
  expect(workersText([row('w', { liveness })])).toContain('active, stuck, flapping, id conflict');
});

test('the list of liveness shows since when, why, and what is missing', () => {
  expect(livenessText([])).toContain('No worker is known yet');
  const liveness = { ...LIVENESS, skewMs: -250, missed: 3, restarts: 1 };
  expect(livenessText([row('w', { state: 'suspect', liveness })]).split('\n')[1]).toMatch(
    /^w {3}suspect +14s {2}silence +5s {2}-250 ms +3 +0 +0 +1$/,
  );
});

test('what keeps the master from judging is told', () => {
  const brakes = [{ group: 'rack-1', sinceUnixMs: 0, endsUnixMs: 300_000, silent: 12, watched: 20 }];
  const text = clusterText({
    ...totalsOf([]),
    health: 'healthy',
    holds: { graceEndsUnixMs: 60_000, brakes },
    lanes: undefined,
    alerts: undefined,
    inside: undefined,
  });
  expect(text).toContain('grace after the restart until 1970-01-01T00:01:00Z');
  expect(text).toContain('12 of 20 workers of group rack-1 fell silent at once');
});

test('events are a list, the newest last', () => {
  expect(eventsText([])).toBe('Nothing has happened yet.');
  expect(eventsText([{ atUnixMs: 0, whom: 'w', text: 'worker is inactive: silent for 30.1 s' }])).toContain(
    '1970-01-01T00:00:00Z  w       worker is inactive: silent for 30.1 s',
  );
  for (const wrong of ['0', '1001', 'x', '-1']) expect(() => eventCount(wrong)).toThrow('1 to 1000');
});
