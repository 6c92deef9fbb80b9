/**
 * 100 rules on a fleet in shared memory: 90 comparisons on the record, 8 functions over windows, 2 rules for groups. Beside them, what a
 * person would write by hand for exactly these rules.
 */
import { Evaluator } from '../../src/alerts/evaluation/evaluator.ts';
import { WorkerFacts } from '../../src/alerts/evaluation/worker-facts.ts';
import { checkExpression } from '../../src/alerts/expression/check.ts';
import { NO_PAST } from '../../src/alerts/past.ts';
import type { Rule } from '../../src/alerts/rules/rule.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { collectGarbage } from '../../src/lib/collect-garbage.ts';
import type { ForEach } from '../../src/model/alert.ts';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES } from '../../src/model/lanes.ts';
import { metricsTextIn, recordJsonHead } from '../../src/model/record-json.ts';
import type { WorkerFacts as Registered } from '../../src/model/worker-facts.ts';
import { Directory, readWhileThere, type WorkerEntry } from '../../src/reading/directory.ts';
import { allocateBoard, BoardReader, BoardWriter } from '../../src/store/board.ts';
import { noneOf, noneOfTable } from '../../src/store/master-figures.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';
import { answerParent } from '../lib/child.ts';

export interface AlertEvaluations {
  /** Medians over the evaluations. */
  readonly rulesMs: number;
  readonly loopMs: number;
  /** CPU time of one evaluation, mean. */
  readonly cpuMs: number;
  /** Facts and windows. */
  readonly bytes: number;
  /** Of one rule that needs CEL's own evaluator, for each worker; with a macro, too. */
  readonly textUs: number;
  readonly macroUs: number;
}

const INTERVAL_MS = 5000;
const GROUPS = 100;
const FIELDS = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage', 'tasks'] as const;
const COMPARISONS = 90;
/** Each with the same metric in the loop: see `WindowLoop`. */
const WINDOWS = [
  'avg_over("cpu_usage", "10m") > 99',
  'avg_over("memory_usage", "5m") > 99',
  'min_over("cpu_usage", "10m") > 99',
  'min_over("storage_usage", "10m") > 99',
  'max_over("cpu_usage", "10m") > 101',
  'max_over("memory_usage", "5m") > 101',
  'rate("frames", "5m") > 1000',
  'predict("storage_usage", "10m", "4h") > 10000',
] as const;

const calls = {
  async measure({
    workers,
    filling,
    evaluations,
  }: {
    workers: number;
    filling: number;
    evaluations: number;
  }): Promise<AlertEvaluations> {
    const fleet = newFleet(workers);
    fleet.beat(0);
    fleet.beat(1);
    const rules = newRules();
    collectGarbage();
    const before = process.memoryUsage();
    const evaluator = new Evaluator({ fleet: new WorkerFacts(fleet.directory), past: NO_PAST, clock: fleet.clock });
    evaluator.load(rules);
    for (let n = 0; n < filling; n++) {
      fleet.beat(n % 2);
      await evaluate(evaluator, rules);
    }
    collectGarbage();
    const after = process.memoryUsage();
    const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;

    const loop = newLoop(fleet.directory);
    for (let n = 0; n < filling; n++) {
      fleet.beat(n % 2);
      loop(fleet.clock.monotonicMs());
    }
    const rulesMs: number[] = [];
    const loopMs: number[] = [];
    let cpuUs = 0;
    for (let n = 0; n < evaluations; n++) {
      fleet.beat(n % 2);
      const cpu = process.cpuUsage();
      let startMs = performance.now();
      await evaluate(evaluator, rules);
      rulesMs.push(performance.now() - startMs);
      const { user, system } = process.cpuUsage(cpu);
      cpuUs += user + system;
      startMs = performance.now();
      loop(fleet.clock.monotonicMs());
      loopMs.push(performance.now() - startMs);
    }
    const perWorkerUs = async (text: string) => (1000 * (await evaluatedAlone(text, fleet, evaluations))) / workers;
    return {
      rulesMs: medianOf(rulesMs),
      loopMs: medianOf(loopMs),
      cpuMs: cpuUs / 1000 / evaluations,
      bytes,
      textUs: await perWorkerUs('group.startsWith("group-1") && worker_id.contains("7")'),
      macroUs: await perWorkerUs('[10, 20, 30].exists(limit, cpu_usage > limit && group.startsWith("x"))'),
    };
  },
};
export type AlertRulesCalls = typeof calls;

answerParent(calls, async () => {});

/** With whom it holds, as the states of alerts ask. */
async function evaluate(evaluator: Evaluator, rules: readonly Rule[]): Promise<number> {
  let holding = 0;
  for (const found of await evaluator.evaluate(rules)) for (const _ of found.holding) holding++;
  return holding;
}

/** What the rule takes beyond the facts, in ms: median. */
async function evaluatedAlone(text: string, fleet: ReturnType<typeof newFleet>, evaluations: number): Promise<number> {
  const budget = { budgetMs: 60_000, pieceMs: 20, shownMs: 100 };
  const { directory, clock } = fleet;
  // It measures its own time by the clock.
  const running: Clock = { ...clock, monotonicMs: systemClock.monotonicMs };
  const evaluator = new Evaluator({ fleet: new WorkerFacts(directory), past: NO_PAST, clock: running, budget });
  const rule = newRule(text, 'worker', 0);
  evaluator.load([rule]);
  const took: number[] = [];
  for (let n = 0; n < evaluations; n++) {
    fleet.beat(n % 2);
    await evaluator.evaluate([rule]);
    took.push(evaluator.figuresOf(rule).evaluationMs ?? 0);
  }
  return medianOf(took);
}

function newRules(): readonly Rule[] {
  const comparisons = Array.from({ length: COMPARISONS }, (_, n) => `${fieldOf(n)} > ${limitOf(n)}`);
  const texts: readonly (readonly [string, ForEach])[] = [
    ...[...comparisons, ...WINDOWS].map((text) => [text, 'worker'] as const),
    ['avg("cpu_usage") > 99', 'group'],
    ['count("inactive") > 3', 'group'],
  ];
  return texts.map(([text, forEach], n) => newRule(text, forEach, n));
}

function newRule(text: string, forEach: ForEach, n: number): Rule {
  const { expression, problems } = checkExpression(text, forEach);
  if (expression === undefined) throw new Error(`${text}: ${problems[0]?.message}`);
  return {
    name: `rule-${n}`,
    forEach,
    when: expression,
    clearWhen: undefined,
    forMs: 0,
    keepFiringForMs: 0,
    noDataAfterMs: undefined,
    severity: 'warning',
    labels: {},
    annotations: {},
    runbookUrl: undefined,
    isShipped: false,
    place: undefined,
    digest: text,
  };
}

const fieldOf = (n: number) => FIELDS[n % FIELDS.length] as (typeof FIELDS)[number];
/** Held by a few of the workers at most, as rules are meant to. */
const limitOf = (n: number) => 99 + n / COMPARISONS;

function newFleet(workers: number) {
  let nowMs = systemClock.monotonicMs();
  const wallMs = systemClock.wallMs() - nowMs;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs, wallMs: () => wallMs + nowMs };
  const board = new BoardWriter(allocateBoard(workers, nowMs));
  const directory = new Directory(new BoardReader(board.memory));
  const members = Array.from({ length: workers }, (_, n) => {
    const workerId = `worker-${n}`;
    const place = board.occupy({ monotonicMs: nowMs, wallMs: clock.wallMs() });
    if (place === undefined) throw new Error('the board is full');
    const slot = newSlot(workerId, 0);
    const writer = new SlotWriter(slot, { publications: board.publications, row: place.row });
    directory.apply({ type: 'slotAdded', workerId, ...place, slot });
    const facts = { group: `group-${n % GROUPS}`, labels: {}, totalGpu: 1 } as unknown as Registered;
    directory.apply({ type: 'workerFacts', workerId, facts });
    return { workerId, row: place.row, writer, beats: 0 };
  });
  return {
    clock,
    directory,
    /** An interval later, every second worker has sent. */
    beat(parity: number): void {
      nowMs += INTERVAL_MS;
      board.setFigures(figuresAt(nowMs));
      for (let n = parity; n < workers; n += 2) {
        const member = members[n] as (typeof members)[number];
        const at = { monotonicMs: nowMs, wallMs: clock.wallMs() };
        board.accepted(member.row, at);
        if (member.beats++ === 0) board.setState(member.row, 'active', 'heartbeat', at.wallMs);
        publish(member, n, at);
      }
    },
  };
}

function publish(
  { workerId, writer, beats }: { workerId: string; writer: SlotWriter; beats: number },
  n: number,
  at: { monotonicMs: number; wallMs: number },
): void {
  const walk = (by: number) => ((n * 7919 + beats * by) % 1000) / 10;
  const usages = { cpuUsage: walk(37), memoryUsage: walk(3), storageUsage: walk(1), gpuUsage: walk(41) };
  const metrics = new Map([
    ['frames', beats * 120],
    ['queue', n % 50],
  ]);
  writer.take(beats);
  writer.publish(
    {
      ordinal: beats,
      ...usages,
      runningTasks: 0,
      receivedUnixMs: at.wallMs,
      receivedMonotonicMs: at.monotonicMs,
      publishedMonotonicMs: at.monotonicMs,
      sequence: beats,
      sentAtUnixMs: 0,
      hostLoopLagMs: 0,
      lastRoundTripMs: 0,
      taskStoodStillSinceMs: 0,
      sampleFlags: 0,
    },
    recordJsonHead({ workerId, ...usages, runningTasks: [], gpus: [], metrics }),
  );
}

function figuresAt(writtenMonotonicMs: number): Parameters<BoardWriter['setFigures']>[0] {
  return {
    writtenMonotonicMs,
    attentive: { offsetMs: 0, mayJudge: true },
    holds: { graceEndsUnixMs: undefined, brakes: 0, silent: 0 },
    anomalies: { scored: 0, anomalous: 0 },
    gauges: {
      loopDelayMs: { mean: 0, max: 0 },
      connections: 0,
      streams: 0,
      lanes: noneOfTable(LANE_KINDS, LANE_STATES),
      laneLagMs: noneOf(LANE_KINDS),
      threadsLeftBehind: 0,
    },
    laneFailures: noneOf(FAULT_CAUSES),
  };
}

/** The last 120 values of a worker, which is 10 minutes; plain rings. */
const KEPT = 120;

/** @returns evaluates the same conditions on all workers at a time, and returns for how many they hold */
function newLoop(directory: Directory): (nowMs: number) => number {
  const rows = directory.board.capacity;
  const column = () => new Float64Array(rows * KEPT);
  const [at, cpu, memory, storage, frames] = [column(), column(), column(), column(), column()];
  const ends = new Int32Array(rows);
  const groups = new Map<string, { sum: number; count: number; inactive: number }>();
  const limits = Array.from({ length: COMPARISONS }, (_, n) => limitOf(n));

  const look = (entry: WorkerEntry, nowMs: number): number => {
    const { row, slot, facts } = entry;
    const state = directory.board.state(row);
    const record = slot.numbers();
    const group = facts?.group ?? '';
    let sums = groups.get(group);
    if (sums === undefined) {
      sums = { sum: 0, count: 0, inactive: 0 };
      groups.set(group, sums);
    }
    if (state === 'inactive') sums.inactive++;
    if (record === undefined || state !== 'active') return 0;
    sums.sum += record.cpuUsage;
    sums.count++;
    let holding = 0;
    const values = [record.cpuUsage, record.memoryUsage, record.storageUsage, record.gpuUsage, record.runningTasks];
    for (let n = 0; n < COMPARISONS; n++) {
      if ((values[n % FIELDS.length] as number) > (limits[n] as number)) holding++;
    }

    const from = row * KEPT;
    let end = ends[row] as number;
    if (end === 0 || at[from + ((end - 1) % KEPT)] !== record.receivedMonotonicMs) {
      const index = from + (end % KEPT);
      at[index] = record.receivedMonotonicMs;
      cpu[index] = record.cpuUsage;
      memory[index] = record.memoryUsage;
      storage[index] = record.storageUsage;
      const text = metricsTextIn(slot.jsonBehindTasks());
      frames[index] = text === undefined ? Number.NaN : (JSON.parse(text) as { frames: number }).frames;
      ends[row] = ++end;
    }
    let [count10, cpuSum, cpuMin, cpuMax, storageMin] = [0, 0, Infinity, -Infinity, Infinity];
    let [count5, memorySum, memoryMax, increase, firstAt] = [0, 0, -Infinity, 0, Number.NaN];
    let [sumT, sumV, sumTT, sumTV, before, lastAt] = [0, 0, 0, 0, Number.NaN, Number.NaN];
    for (let n = Math.max(0, end - KEPT); n < end; n++) {
      const index = from + (n % KEPT);
      const atMs = at[index] as number;
      const ageMs = nowMs - atMs;
      if (ageMs > 600_000) continue;
      const value = cpu[index] as number;
      const stored = storage[index] as number;
      count10++;
      cpuSum += value;
      cpuMin = Math.min(cpuMin, value);
      cpuMax = Math.max(cpuMax, value);
      storageMin = Math.min(storageMin, stored);
      const t = -ageMs / 1000;
      sumT += t;
      sumV += stored;
      sumTT += t * t;
      sumTV += t * stored;
      if (ageMs > 300_000) continue;
      count5++;
      memorySum += memory[index] as number;
      memoryMax = Math.max(memoryMax, memory[index] as number);
      const counter = frames[index] as number;
      if (Number.isNaN(firstAt)) firstAt = atMs;
      else increase += counter >= before ? counter - before : counter;
      before = counter;
      lastAt = atMs;
    }
    const slope = (count10 * sumTV - sumT * sumV) / (count10 * sumTT - sumT * sumT);
    if (cpuSum / count10 > 99) holding++;
    if (memorySum / count5 > 99) holding++;
    if (cpuMin > 99) holding++;
    if (storageMin > 99) holding++;
    if (cpuMax > 101) holding++;
    if (memoryMax > 101) holding++;
    if (increase / ((lastAt - firstAt) / 1000) > 1000) holding++;
    if ((sumV - slope * sumT) / count10 + slope * 14_400 > 10_000) holding++;
    return holding;
  };

  return (nowMs) => {
    groups.clear();
    let holding = 0;
    for (const entry of directory.all()) {
      holding += readWhileThere(directory.board, entry, () => look(entry, nowMs)) ?? 0;
    }
    for (const { sum, count, inactive } of groups.values()) holding += Number(sum / count > 99) + Number(inactive > 3);
    return holding;
  };
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
