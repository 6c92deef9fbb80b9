import { beforeEach, describe, expect, test, vi } from 'vitest';
import { DevicesSeen } from '../../../src/alerts/evaluation/devices-seen.ts';
import type { Evaluated } from '../../../src/alerts/evaluation/evaluated.ts';
import { NO_VALUE_AFTER_MS } from '../../../src/alerts/evaluation/evaluation-limits.ts';
import { Evaluator, type EvaluatorOptions } from '../../../src/alerts/evaluation/evaluator.ts';
import { FactTable } from '../../../src/alerts/evaluation/fact-table.ts';
import { GroupFacts } from '../../../src/alerts/evaluation/group-facts.ts';
import { WorkerFacts } from '../../../src/alerts/evaluation/worker-facts.ts';
import { checkExpression } from '../../../src/alerts/expression/check.ts';
import type { CheckedExpression } from '../../../src/alerts/expression/checked.ts';
import { NAMES } from '../../../src/alerts/expression/names.ts';
import { checkTemplate } from '../../../src/alerts/expression/template.ts';
import { NO_PAST, type Past } from '../../../src/alerts/past.ts';
import type { Rule } from '../../../src/alerts/rules/rule.ts';
import { shippedRules } from '../../../src/alerts/rules/shipped.ts';
import type { ForEach } from '../../../src/model/alert.ts';
import type { HeldBrake } from '../../../src/model/holds.ts';
import type { WorkerFacts as Registered } from '../../../src/model/worker-facts.ts';
import { Directory, type WorkerEntry } from '../../../src/reading/directory.ts';
import { BoardReader } from '../../../src/store/board.ts';
import { PeerScoresWriter } from '../../../src/store/peer-scores.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Beat, Fleet } from '../../support/fleet.ts';
import { mainFigures } from '../../support/main-figures.ts';

let clock: FakeClock;
let fleet: Fleet;
let directory: Directory;

beforeEach(() => {
  clock = new FakeClock();
  clock.advance(1_000_000);
  begin();
});

function begin(ringSamples = 0): void {
  fleet = new Fleet(clock, 16, ringSamples);
  directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
}

/** Main’s figures are as new as the last call of this. */
function mainRuns({ mayJudge = true, graceEndsUnixMs = undefined as number | undefined } = {}): void {
  fleet.board.setFigures(mainFigures({ writtenMonotonicMs: clock.monotonicMs(), mayJudge, graceEndsUnixMs }));
}

function registered(facts: Partial<Registered>): Registered {
  return { group: '', labels: {}, totalGpu: 0, ...facts } as Registered;
}

function worker(workerId: string, beat: Beat = {}, facts: Partial<Registered> = {}): void {
  fleet.register(workerId);
  directory.apply({ type: 'workerFacts', workerId, facts: registered(facts) });
  fleet.beat(workerId, beat);
}

function brake(group: string, silentGroups?: readonly string[]): void {
  const held: HeldBrake = {
    group,
    sinceUnixMs: 0,
    endsUnixMs: 1,
    silent: 3,
    watched: 4,
    ...(silentGroups && { silentGroups }),
  };
  directory.apply({ type: 'holds', holds: { graceEndsUnixMs: undefined, brakes: [held] } });
}

function expressionOf(text: string, forEach: ForEach): CheckedExpression {
  const { expression, problems } = checkExpression(text, forEach);
  if (expression === undefined) throw new Error(problems.map(({ message }) => message).join('; '));
  return expression;
}

let ruleCount = 0;
function rule(when: string, { forEach = 'worker' as ForEach, clearWhen = '', summary = '' } = {}): Rule {
  return {
    name: `rule ${ruleCount++}`,
    forEach,
    when: expressionOf(when, forEach),
    clearWhen: clearWhen === '' ? undefined : expressionOf(clearWhen, forEach),
    forMs: 0,
    keepFiringForMs: 0,
    noDataAfterMs: undefined,
    severity: 'page',
    labels: {},
    annotations: summary === '' ? {} : { summary: checkTemplate(summary, forEach).template },
    runbookUrl: undefined,
    isShipped: false,
    place: undefined,
    digest: '',
  };
}

function evaluatorOf(rules: readonly Rule[], options: Partial<EvaluatorOptions> = {}) {
  const evaluator = new Evaluator({ fleet: new WorkerFacts(directory), past: NO_PAST, clock, ...options });
  evaluator.load(rules);
  /** @param firing workers with a firing alert */
  const evaluate = async (...firing: readonly string[]) => {
    mainRuns();
    return evaluator.evaluate(rules, () => firing.map((name) => on(name)));
  };
  return { evaluator, evaluate };
}

const on = (name: string, kind: ForEach = 'worker') => ({ kind, name });
const holding = (found: { readonly holding: Iterable<{ readonly name: string }> } | undefined) =>
  Array.from(found?.holding ?? [], ({ name }) => name);

describe('rules for each worker', () => {
  test('see what the last heartbeat says, and that a worker is gone', async () => {
    worker('hot', { cpuUsage: 95 });
    worker('cool', { cpuUsage: 20 });
    const hot = rule('cpu_usage > 90');
    const { evaluate } = evaluatorOf([hot]);
    let [found] = await evaluate();
    expect(holding(found)).toEqual(['hot']);
    expect(found?.verdictOf(on('cool'))).toBe('fails');

    clock.advance(5000);
    fleet.beat('hot', { cpuUsage: 10 });
    fleet.beat('cool', { cpuUsage: 99 });
    [found] = await evaluate();
    expect(holding(found)).toEqual(['cool']);

    fleet.forget('cool');
    [found] = await evaluate();
    expect(holding(found)).toEqual([]);
    expect(found?.verdictOf(on('cool'))).toBe('removed');
    worker('new', { cpuUsage: 91 });
    [found] = await evaluate();
    expect(holding(found)).toEqual(['new']);
    expect(found?.verdictOf(on('cool'))).toBe('removed');
  });

  test('have no data of a worker whose values stopped, but know its state', async () => {
    worker('w', { cpuUsage: 95 }, { totalGpu: 0 });
    const [hot, inactive, gpu, either] = [
      rule('cpu_usage > 90'),
      rule('state == "inactive" && state_seconds >= 0'),
      rule('gpu_usage < 5'),
      rule('cpu_usage > 90 || state == "inactive"'),
    ];
    const { evaluate } = evaluatorOf([hot, inactive, gpu, either]);
    const verdicts = async () => (await evaluate()).map((found) => found.verdictOf(on('w')));
    expect(await verdicts()).toEqual(['holds', 'fails', 'no_data', 'holds']);
    fleet.fallSilent('w');
    expect(await verdicts()).toEqual(['no_data', 'holds', 'no_data', 'holds']);
    fleet.beat('w', { cpuUsage: 1, gpuUsage: 3 });
    expect(await verdicts()).toEqual(['fails', 'fails', 'holds', 'fails']);
  });

  test('read labels, groups, custom metrics and devices', async () => {
    const gpus = [{ index: 0, uuid: 'u', name: 'A100', temperatureCelsius: 85 }] as unknown as NonNullable<
      Beat['gpus']
    >;
    worker('w', { metrics: new Map([['queue', 7]]), gpus }, { group: 'render', labels: { zone: 'a' } });
    worker('bare');
    const rules = [
      rule('labels.zone == "a" && group == "render"'),
      rule('metrics.queue > 5'),
      rule('gpus.exists(g, g.temperature_celsius > 80 && g.index == 0)'),
      rule('group.startsWith("ren")'),
      rule('gpus_seen > 0'),
    ];
    const { evaluate } = evaluatorOf(rules);
    const found = await evaluate();
    expect(found.map((each) => each.verdictOf(on('w')))).toEqual(Array(5).fill('holds'));
    expect(found.map((each) => each.verdictOf(on('bare')))).toEqual([
      'fails',
      'no_data',
      'no_data',
      'fails',
      'no_data',
    ]);
    expect(found[0]?.labelsOf?.(on('w'))).toEqual({ zone: 'a', group: 'render' });
  });

  test.each(['worker', 'group', 'cluster'] as const)('for_each %s know every name', async (forEach) => {
    const gpus = [{ index: 0, uuid: 'u', name: 'A100' }] as unknown as NonNullable<Beat['gpus']>;
    worker('w', { cpuUsage: 5, gpuUsage: 5, gpus });
    // Of samples that are not scored there are none; nobody measured the clock.
    const others = ['score', 'score_metric', 'score_reason', 'skew_ms'];
    const names = Object.keys(NAMES[forEach]).filter((name) => !others.includes(name));
    const { evaluate } = evaluatorOf(names.map((name) => rule(`has(${name})`, { forEach })));
    const found = await evaluate();
    expect(found.map((each, n) => [names[n], holding(each).length])).toEqual(names.map((name) => [name, 1]));
  });

  test('say why: the values of their parts, and rendered annotations', async () => {
    worker('w', { cpuUsage: 93.5, metrics: new Map([['queue', 7]]) });
    const one = rule('cpu_usage > 90 && (cpu_usage > 80 || gpu_usage > 5) && metrics["queue"] > 1', {
      summary: '{{ worker_id }} has {{ cpu_usage }} %, GPU {{ gpu_usage }}, {{ metrics.queue * 2.0 }}',
    });
    const { evaluate } = evaluatorOf([one]);
    const [found] = await evaluate();
    expect(found?.valuesOf(on('w')).parts).toEqual([
      { text: 'cpu_usage', value: 93.5 },
      { text: 'gpu_usage', value: null },
      { text: 'metrics["queue"]', value: 7 },
    ]);
    expect(found?.annotationsOf(on('w'))).toEqual({ summary: 'w has 93.5 %, GPU (no value), 14' });
  });

  test('clear by a condition of their own', async () => {
    worker('w', { cpuUsage: 85 });
    const one = rule('cpu_usage > 90', { clearWhen: 'cpu_usage < 80 || group.startsWith("x")' });
    const { evaluate } = evaluatorOf([one]);
    const [found] = await evaluate('w');
    expect(found?.clearOf(on('w'))).toBe('fails');
    fleet.beat('w', { cpuUsage: 70 });
    expect((await evaluate('w'))[0]?.clearOf(on('w'))).toBe('holds');
  });

  test('see only what changed, also after other rules were loaded', async () => {
    worker('w', { metrics: new Map([['queue', 7]]) });
    const { evaluator } = evaluatorOf([rule('cpu_usage > 90')]);
    mainRuns();
    await evaluator.evaluate([]);
    const queue = rule('metrics.queue > 5');
    evaluator.load([queue]);
    const [found] = await evaluator.evaluate([queue]);
    expect(holding(found)).toEqual(['w']);
  });
});

describe('GpuGone', () => {
  const devices = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ index, uuid: `u${index}`, name: 'G' })) as unknown as NonNullable<
      Beat['gpus']
    >;
  const gone = shippedRules().find(({ name }) => name === 'GpuGone') as Rule;
  const verdicts = async (evaluate: () => Promise<readonly Evaluated[]>, ...names: readonly string[]) => {
    const [found] = await evaluate();
    return names.map((name) => found?.verdictOf(on(name)));
  };

  test('holds for a worker that lists fewer devices than before, also none', async () => {
    const before = [1, 4, 4, 0];
    const after = [0, 3, 0, 0];
    const names = before.map((count, n) => `w${n} of ${count}`);
    // The last one registers devices, and its agent does not list them.
    for (const [n, name] of names.entries()) {
      worker(name, { gpus: devices(before[n] as number) }, { totalGpu: before[n] || 2 });
    }
    const { evaluate } = evaluatorOf([gone]);
    expect(await verdicts(evaluate, ...names)).toEqual(['fails', 'fails', 'fails', 'no_data']);
    clock.advance(5000);
    for (const [n, name] of names.entries()) fleet.beat(name, { gpus: devices(after[n] as number) });
    const [found] = await evaluate();
    expect(names.map((name) => found?.verdictOf(on(name)))).toEqual(['holds', 'holds', 'holds', 'no_data']);
    expect(found?.annotationsOf(on(names[0] as string)).description).toBe(
      `The worker ${names[0]} reports 0 GPUs and had 1.`,
    );
    expect(found?.valuesOf(on(names[0] as string)).parts).toEqual([
      { text: 'gpus', value: '0 devices' },
      { text: 'gpus_seen', value: 1 },
    ]);
    for (const name of names) fleet.fallSilent(name);
    expect(new Set(await verdicts(evaluate, ...names))).toEqual(new Set(['no_data']));
  });

  test('still holds after a restart, also if the worker registers what it has now', async () => {
    worker('w', { gpus: devices(2) }, { totalGpu: 2 });
    worker('other', { gpus: devices(2) }, { totalGpu: 2 });
    const seen = new DevicesSeen();
    await evaluatorOf([gone], { fleet: new WorkerFacts(directory, seen) }).evaluate();
    const stored = [...seen.unsaved].flatMap((id) => {
      const entry = seen.of(id);
      return entry === undefined ? [] : [[id, entry] as const];
    });
    expect(stored.map(([id]) => id)).toEqual(['w', 'other']);

    fleet.forget('other');
    fleet.beat('w', { gpus: [] });
    directory.apply({ type: 'workerFacts', workerId: 'w', facts: registered({ totalGpu: 0 }) });
    const next = new DevicesSeen();
    next.load(stored);
    const { evaluate } = evaluatorOf([gone], { fleet: new WorkerFacts(directory, next) });
    expect(await verdicts(evaluate, 'w')).toEqual(['holds']);
    // Who is not there once all are judged again is forgotten in the file, too.
    expect([...next.unsaved].map((id) => [id, next.of(id)])).toEqual([['other', undefined]]);
  });

  test('begins anew with a worker that was removed and registered again between two evaluations', async () => {
    worker('w', { gpus: devices(4) }, { totalGpu: 4 });
    const { evaluate } = evaluatorOf([gone]);
    await evaluate();
    fleet.forget('w');
    worker('w', { gpus: devices(3) }, { totalGpu: 3 });
    expect(await verdicts(evaluate, 'w')).toEqual(['fails']);
  });
});

test('a step of the wall clock is no time in a state', async () => {
  worker('w');
  const inactive = (text: string) => rule(`state == "inactive" && state_seconds ${text}`);
  const { evaluate } = evaluatorOf([inactive('> 3600'), inactive('>= 65 && state_seconds < 67')]);
  await evaluate();
  // The step comes before the first look at the new state.
  fleet.board.setState(fleet.rowOf('w'), 'inactive', 'heartbeat', clock.wallMs());
  clock.stepWall(7_200_000);
  clock.advance(1000);
  expect((await evaluate()).map(holding)).toEqual([[], []]);
  clock.stepWall(7_200_000);
  clock.advance(64_500);
  expect((await evaluate()).map(holding)).toEqual([[], ['w']]);
});

describe('nobody is judged', () => {
  test.each([
    ['during the restart grace', () => mainRuns({ graceEndsUnixMs: clock.wallMs() + 1000 })],
    ['while main may not judge', () => mainRuns({ mayJudge: false })],
    ['while main’s figures are old', () => clock.advance(5000)],
  ])('%s', async (_, hold) => {
    worker('w', { cpuUsage: 95 }, { group: 'g' });
    const [one, group] = [rule('cpu_usage > 90'), rule('workers > 0', { forEach: 'group' })];
    const { evaluator, evaluate } = evaluatorOf([one, group]);
    expect((await evaluate()).map(holding)).toEqual([['w'], ['g']]);
    hold();
    const found = await evaluator.evaluate([one, group]);
    expect(found.map(holding)).toEqual([[], []]);
    expect([found[0]?.verdictOf(on('w')), found[1]?.verdictOf(on('g', 'group'))]).toEqual(['held', 'held']);
  });

  test('in a group whose brake is engaged, except by a rule that asks for it', async () => {
    worker('a', { cpuUsage: 95 }, { group: 'g' });
    worker('b', { cpuUsage: 95 }, { group: 'h' });
    const rules = [
      rule('cpu_usage > 90'),
      rule('workers > 0', { forEach: 'group' }),
      rule('brake', { forEach: 'group' }),
      rule('workers > 0', { forEach: 'cluster' }),
    ];
    const { evaluate } = evaluatorOf(rules);
    brake('g');
    expect((await evaluate()).map(holding)).toEqual([['b'], ['h'], ['g'], ['']]);
  });

  test('in silent small groups while the brake that they share is engaged', async () => {
    for (const [workerId, group] of [
      ['a', 'g'],
      ['b', 'h'],
      ['c', 'i'],
      ['d', ''],
    ] as const) {
      worker(workerId, { cpuUsage: 95 }, { group });
    }
    const { evaluate } = evaluatorOf([rule('cpu_usage > 90'), rule('brake', { forEach: 'group' })]);
    brake('', ['g', 'h']);
    expect((await evaluate()).map(holding)).toEqual([
      ['c', 'd'],
      ['g', 'h'],
    ]);
    brake('', ['']);
    expect((await evaluate()).map(holding)).toEqual([['a', 'b', 'c'], ['']]);
  });
});

describe('rules for groups and the cluster', () => {
  test('see aggregates of the workers that have the value', async () => {
    worker('a', { cpuUsage: 10, metrics: new Map([['queue', 3]]) }, { group: 'g' });
    worker('b', { cpuUsage: 30 }, { group: 'g' });
    worker('c', { cpuUsage: 50 }, { group: 'g' });
    worker('d', { cpuUsage: 90 });
    fleet.fallSilent('c');
    const text =
      'workers == 3 && active == 2 && inactive == 1 && avg("cpu_usage") == 20.0 && max("cpu_usage") == 30.0 && avg("queue") == 3.0 && count("inactive") == 1 && name == "g"';
    const cluster =
      'workers == 4 && active == 3 && max("cpu_usage") == 90 && count("active") == 3 && history_state == "off" && name == ""';
    const rules = [
      rule(text, { forEach: 'group' }),
      rule(cluster, { forEach: 'cluster' }),
      rule('avg("queue") > 0', { forEach: 'group' }),
      rule('name.contains("g") && inactive * 2 < workers', { forEach: 'group' }),
    ];
    const { evaluate } = evaluatorOf(rules);
    const found = await evaluate();
    expect(found.map(holding)).toEqual([['g'], [''], ['g'], ['g']]);
    expect(found[2]?.verdictOf(on('', 'group'))).toBe('no_data');
    fleet.forget('d');
    expect((await evaluate())[0]?.verdictOf(on('', 'group'))).toBe('removed');
  });
});

test('many new groups get their rows in one pass, and those of groups that are gone', () => {
  const workers = new FactTable();
  const groups = new GroupFacts({ workers, held: { all: false, groups: new Set() }, historyState: 'off' } as never);
  const looks = vi.spyOn(groups.groups, 'nameOf');
  const COUNT = 2000;
  for (let row = 0; row < COUNT; row++) workers.place(row, `w${row}`);
  for (const prefix of ['a', 'b', 'c']) {
    const names = workers.textColumn('name group');
    for (let row = 0; row < COUNT; row++) names[row] = `${prefix}${row}`;
    looks.mockClear();
    groups.refresh();
    expect(looks.mock.calls.length).toBeLessThan(10 * COUNT);
  }
  expect([groups.groups.size, groups.groups.rows]).toEqual([COUNT, 2 * COUNT]);
});

describe('windows', () => {
  const beats = async (evaluate: () => Promise<unknown>, count: number, value: (n: number) => Beat, everyMs = 5000) => {
    for (let n = 0; n < count; n++) {
      clock.advance(everyMs);
      fleet.beat('w', value(n));
      await evaluate();
    }
  };

  test('are fed with the newest value of each evaluation while there are no rings', async () => {
    worker('w', { cpuUsage: 50 });
    const rules = [
      rule('avg_over("cpu_usage", "1m") > 60'),
      rule('max_over("queue", "1m") > 5'),
      rule('rate("frames", "1m") > 1.9 && rate("frames", "1m") < 2.1'),
      rule('predict("storage_usage", "1m", "1m") > 21'),
    ];
    const { evaluate } = evaluatorOf(rules);
    const beat = (n: number): Beat => ({
      cpuUsage: 50 + n * 5,
      storageUsage: 10 + n * 0.5,
      metrics: new Map([
        ['queue', n],
        ['frames', n * 10],
      ]),
    });
    await beats(evaluate, 3, beat);
    expect((await evaluate()).map((each) => each.verdictOf(on('w')))).toEqual(Array(4).fill('no_data'));
    await beats(evaluate, 12, beat);
    expect((await evaluate()).map((each) => each.verdictOf(on('w')))).toEqual(Array(4).fill('holds'));
    fleet.fallSilent('w');
    expect((await evaluate()).map((each) => each.verdictOf(on('w')))).toEqual(Array(4).fill('no_data'));
  });

  test('are fed with every sample that a ring has, also those from before', async () => {
    begin(64);
    worker('w', { cpuUsage: 1 });
    for (let n = 0; n < 40; n++) {
      clock.advance(1000);
      fleet.beat('w', { cpuUsage: n === 20 ? 99 : 1 });
    }
    const { evaluate } = evaluatorOf([rule('max_over("cpu_usage", "1m") > 98')]);
    expect((await evaluate()).map(holding)).toEqual([['w']]);
    // A spike between two evaluations.
    await evaluate();
    for (let n = 0; n < 70; n++) {
      clock.advance(1000);
      fleet.beat('w', { cpuUsage: n === 42 ? 99 : 1 });
    }
    expect((await evaluate()).map(holding)).toEqual([['w']]);
  });

  test('get each value once, also when rules are loaded again', async () => {
    begin(64);
    worker('w', { cpuUsage: 10 });
    const average = rule('avg_over("cpu_usage", "1m") == 15');
    const { evaluate, evaluator } = evaluatorOf([average]);
    clock.advance(40_000.7);
    fleet.beat('w', { cpuUsage: 20 });
    for (let n = 0; n < 3; n++) {
      evaluator.load([average, rule(`cpu_usage > ${n}`)]);
      expect((await evaluate()).map(holding)).toEqual([['w']]);
    }
  });

  test.each([0, 64])('of a field are not those of a custom metric with its name (ring of %i)', async (ringSamples) => {
    begin(ringSamples);
    worker('w', { cpuUsage: 10, runningTasks: [] });
    const rules = [
      rule('max_over("cpu_usage", "1m") > 11'),
      rule('max_over("tasks", "1m") > 1'),
      rule('metrics.cpu_usage > 5 && metrics.tasks > 5'),
    ];
    const { evaluate } = evaluatorOf(rules);
    const metrics = new Map([
      ['cpu_usage', 1e6],
      ['tasks', 1e6],
    ]);
    for (let n = 0; n < 12; n++) {
      for (let beat = 0; beat < 3; beat++) {
        clock.advance(2000);
        fleet.beat('w', { cpuUsage: 10, runningTasks: [], metrics });
      }
      await evaluate();
    }
    expect((await evaluate()).map((each) => each.verdictOf(on('w')))).toEqual(['fails', 'fails', 'holds']);
  });

  test.each([1, 2])('of the score are of the own one, however often a worker sends (%i)', async (perEvaluation) => {
    begin(64);
    worker('w', { cpuUsage: 10 });
    const { evaluate } = evaluatorOf([rule('max_over("score", "1m") > 0.5'), rule('score > 0.5')]);
    const peers = new PeerScoresWriter(fleet.memory.peerScores);
    const { row, occupant } = directory.get('w') as WorkerEntry;
    for (let n = 0; n < 20; n++) {
      for (let beat = 0; beat < perEvaluation; beat++) {
        clock.advance(5000 / perEvaluation);
        fleet.beat('w', { cpuUsage: 10 });
      }
      peers.set(row, occupant, 0.9, undefined, clock.wallMs());
      await evaluate();
    }
    expect((await evaluate()).map((each) => each.verdictOf(on('w')))).toEqual(['fails', 'holds']);
  });

  test('are filled from history, which may be away at first', async () => {
    worker('w', { cpuUsage: 50 });
    let asked = 0;
    const told: string[] = [];
    const past: Past = {
      async read({ fromMs, toMs, key, workerIds }, take) {
        expect([key, workerIds, toMs - fromMs]).toEqual(['cpu_usage', ['w'], 3_600_000]);
        if (asked++ === 0) throw new Error('the database is away');
        const at = Float64Array.from({ length: 59 }, (_, n) => fromMs + (n + 1) * 60_000);
        const of = (value: number) => new Float64Array(at.length).fill(value);
        take('w', { at, bucketMs: 0, count: of(1), min: of(70), max: of(70), mean: of(70), last: of(70) });
      },
    };
    const rules = [rule('avg_over("cpu_usage", "1h") > 69')];
    const { evaluate, evaluator } = evaluatorOf(rules, { past, log: (message) => told.push(message) });
    expect((await evaluate())[0]?.verdictOf(on('w'))).toBe('no_data');
    await eventually(() => told.length === 1);
    expect(told).toEqual(['windows of alert rules cannot be filled from history at present: the database is away']);
    clock.advance(10_000);
    await eventually(() => asked === 2);
    await evaluator.stop();
    fleet.beat('w', { cpuUsage: 50 });
    expect((await evaluate())[0]?.verdictOf(on('w'))).toBe('holds');
  });
});

describe('an expression that fails', () => {
  test('is an error of its rule and subjects, counted and shown', async () => {
    worker('busy', { runningTasks: [] });
    worker('other');
    const [failing, fine] = [rule('10 / tasks > 1'), rule('cpu_usage >= 0')];
    const { evaluator, evaluate } = evaluatorOf([failing, fine]);
    const found = await evaluate();
    expect(found.map(holding)).toEqual([[], ['busy', 'other']]);
    expect(found[0]?.verdictOf(on('busy'))).toBe('error');
    expect(evaluator.figuresOf(failing)).toMatchObject({
      errors: 1,
      lastError: { atUnixMs: clock.wallMs(), message: 'busy: division by zero, and 1 more subject' },
    });
    expect(evaluator.figuresOf(fine)).toMatchObject({
      errors: 0,
      lastError: null,
      lastEvaluatedUnixMs: clock.wallMs(),
    });
  });

  test('is cut off if it takes too long, even within one subject, and is evaluated less often', async () => {
    const gpus = Array.from({ length: 40 }, (_, index) => ({ index, uuid: `u${index}`, name: 'G' }));
    worker('w', { gpus: gpus as unknown as NonNullable<Beat['gpus']> });
    const loop = (depth: number): string =>
      depth === 0 ? 'true' : `gpus.all(${'abcdefgh'[depth]}, ${loop(depth - 1)})`;
    const [slow, fine] = [rule(loop(6)), rule('cpu_usage >= 0')];
    const { evaluator, evaluate } = evaluatorOf([slow, fine], { budget: { budgetMs: 30, pieceMs: 5, shownMs: 5 } });
    const found = await evaluate();
    expect(found.map(({ rule: { name } }) => name)).toEqual([slow.name, fine.name]);
    expect(found.map(holding)).toEqual([[], ['w']]);
    expect(found[0]?.verdictOf(on('w'))).toBe('error');
    expect(evaluator.figuresOf(slow).lastError?.message).toBe(
      'took longer than 30 ms, and was cut off with 1 of 1 subjects left; it is evaluated less often until it keeps to that',
    );
    const names = async () => (await evaluate()).map(({ rule: { name } }) => name);
    const turns = [];
    for (let n = 0; n < 5; n++) turns.push((await names()).includes(slow.name));
    expect(turns).toEqual([false, true, false, false, false]);
  });

  test('tells an error of clear_when and of an annotation, once an evaluation', async () => {
    worker('w', { cpuUsage: 1, runningTasks: [] });
    worker('v', { cpuUsage: 1, runningTasks: [] });
    const failing = rule('cpu_usage > 90', { clearWhen: '1 / tasks > 5' });
    const shown = rule('cpu_usage < 90', { summary: '{{ 1 / tasks }} of {{ gpu_usage }}' });
    const { evaluator, evaluate } = evaluatorOf([failing, shown]);
    const [cleared, found] = await evaluate('w', 'v');
    expect(cleared?.clearOf(on('w'))).toBe('error');
    expect(evaluator.figuresOf(failing)).toMatchObject({
      errors: 1,
      lastError: { message: 'clear_when: w: division by zero, and 1 more subject' },
    });
    for (const name of ['w', 'v']) {
      expect(found?.annotationsOf(on(name))).toEqual({ summary: '(no value) of (no value)' });
    }
    expect(evaluator.figuresOf(shown)).toMatchObject({
      errors: 1,
      lastError: { message: 'annotations: w: division by zero' },
    });
  });

  test('of clear_when or an annotation is cut off, too, for all alerts together', async () => {
    const list = `[${Array.from({ length: 40 }, (_, n) => n).join(', ')}]`;
    const loop = `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, a + b + c + d >= 0))))`;
    const names = Array.from({ length: 12 }, (_, n) => `w${n}`);
    for (const name of names) worker(name, { cpuUsage: 1 });
    const clear = rule('cpu_usage > 90', { clearWhen: loop });
    const shown = rule('cpu_usage < 90', { summary: `{{ ${loop} }}` });
    // Only time that passes on the wall can run out.
    const real = { ...clock, wallMs: () => clock.wallMs(), monotonicMs: () => clock.monotonicMs() + performance.now() };
    const options = { budget: { budgetMs: 30, pieceMs: 5, shownMs: 5 }, clock: real as unknown as FakeClock };
    const { evaluator } = evaluatorOf([clear, shown], options);
    const writtenMonotonicMs = real.monotonicMs() + 3_600_000;
    fleet.board.setFigures(mainFigures({ writtenMonotonicMs, mayJudge: true, graceEndsUnixMs: undefined }));
    const cutOff: unknown[] = [];
    const [cleared, found] = await evaluator.evaluate([clear, shown], () => names.map((name) => on(name)));
    for (const name of names) cutOff.push(cleared?.clearOf(on(name)), found?.annotationsOf(on(name)).summary);
    expect(new Set(cutOff)).toEqual(new Set(['error', '(no value)']));
    expect(evaluator.figuresOf(clear).lastError?.message).toBe(
      'clear_when: took longer than 30 ms, and was cut off with 12 of 12 subjects left; it is evaluated less often until it keeps to that',
    );
    expect(evaluator.isLeftOut(clear)).toBe(true);
    expect(evaluator.figuresOf(shown)).toMatchObject({
      errors: 1,
      lastError: { message: 'annotations took too long; those that are left have no value' },
    });
  });
});

describe('somebody has to look at a rule', () => {
  test('that fails in three evaluations in a row, until it has not failed in as many', async () => {
    worker('idle', { runningTasks: [] });
    const div = rule('1 / tasks > 0');
    const { evaluator, evaluate } = evaluatorOf([div]);
    const problem = () => evaluator.figuresOf(div).problem;
    const since = clock.wallMs();
    await evaluate();
    clock.advance(5000);
    await evaluate();
    expect(problem()).toBeNull();
    clock.advance(5000);
    await evaluate();
    expect(problem()).toEqual({ detail: `rule ${div.name} fails: idle: division by zero`, sinceUnixMs: since });
    fleet.beat('idle', { runningTasks: [{ name: 'one' } as never] });
    await evaluate();
    await evaluate();
    expect(problem()).not.toBeNull();
    await evaluate();
    expect(problem()).toBeNull();
  });

  test('of which no worker has ever had the value, unless it is shipped, or asks whether it is there', async () => {
    const queue = rule('metrics.queue_lenght > 10');
    const shipped = { ...rule('metrics.queue_lenght > 10'), isShipped: true };
    const asking = rule('has(metrics.queue_lenght) && metrics.queue_lenght > 10');
    const { evaluator, evaluate } = evaluatorOf([queue, shipped, asking]);
    const problem = () => evaluator.figuresOf(queue).problem;
    await evaluate();
    // Without workers nothing is missing.
    clock.advance(NO_VALUE_AFTER_MS);
    await evaluate();
    expect(problem()).toBeNull();
    worker('w', { cpuUsage: 1 });
    await evaluate();
    const since = clock.wallMs();
    clock.advance(NO_VALUE_AFTER_MS - 1);
    await evaluate();
    expect(problem()).toBeNull();
    clock.advance(1);
    await evaluate();
    expect(problem()).toEqual({
      detail: `rule ${queue.name} has had no value since it was loaded: no worker has metrics.queue_lenght`,
      sinceUnixMs: since,
    });
    expect([shipped, asking].map((one) => evaluator.figuresOf(one).problem)).toEqual([null, null]);
    fleet.beat('w', { metrics: new Map([['queue_lenght', 1]]) });
    await evaluate();
    expect(problem()).toBeNull();
  });
});
