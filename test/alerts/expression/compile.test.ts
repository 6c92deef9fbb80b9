import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FactTable } from '../../../src/alerts/evaluation/fact-table.ts';
import { checkExpression } from '../../../src/alerts/expression/check.ts';
import type { CheckedExpression } from '../../../src/alerts/expression/checked.ts';
import { compileCondition, FAILED, FALSE, NO_DATA, TRUE, UNDECIDED } from '../../../src/alerts/expression/compile.ts';
import { type FactRef, keyOf } from '../../../src/alerts/expression/facts.ts';
import { libraryEvaluation, NoData, type SubjectValues } from '../../../src/alerts/expression/library.ts';
import { mayLoop } from '../../../src/alerts/expression/may-loop.ts';
import { repetitions } from '../../support/repetitions.ts';

/** A worker, as far as these expressions read it. Undefined: it lacks the value. */
interface Worker {
  readonly cpu: number | undefined;
  readonly gpu: number | undefined;
  readonly tasks: number | undefined;
  readonly missed: number;
  readonly metric: number | undefined;
  readonly state: string;
  readonly group: string;
  readonly zone: string | undefined;
  readonly stuck: boolean;
  readonly average: number | undefined;
}

const AVERAGE: FactRef = {
  of: 'call',
  call: { kind: 'avg_over', metric: 'cpu_usage', windowMs: 600_000, aheadMs: undefined },
};

function tableOf(workers: readonly Worker[]): FactTable {
  const table = new FactTable();
  for (const [row, worker] of workers.entries()) {
    table.place(row, `worker-${row}`);
    const number = (key: string, value: number | undefined) => {
      table.numberColumn(key)[row] = value ?? Number.NaN;
    };
    number('name cpu_usage', worker.cpu);
    number('name gpu_usage', worker.gpu);
    number('name tasks', worker.tasks);
    number('name missed', worker.missed);
    number('metric x', worker.metric);
    number(keyOf(AVERAGE), worker.average);
    table.textColumn('name state')[row] = worker.state;
    table.textColumn('name group')[row] = worker.group;
    table.textColumn('label zone')[row] = worker.zone;
    table.flagColumn('name stuck')[row] = Number(worker.stuck);
  }
  return table;
}

function valuesOf(worker: Worker): SubjectValues {
  const whole = (value: number | undefined) => (value === undefined ? undefined : BigInt(value));
  return {
    value: (ref) => {
      switch (keyOf(ref)) {
        case 'name cpu_usage':
          return worker.cpu;
        case 'name gpu_usage':
          return worker.gpu;
        case 'name tasks':
          return whole(worker.tasks);
        case 'name missed':
          return whole(worker.missed);
        case 'name state':
          return worker.state;
        case 'name group':
          return worker.group;
        case 'name stuck':
          return worker.stuck;
        case keyOf(AVERAGE):
          return worker.average;
        default:
          throw new Error(`unexpected ${keyOf(ref)}`);
      }
    },
    metrics: () => (worker.metric === undefined ? {} : { x: worker.metric }),
    labels: () => (worker.zone === undefined ? {} : { zone: worker.zone }),
    gpus: () => undefined,
  };
}

function checked(text: string): CheckedExpression {
  const { expression, problems } = checkExpression(text, 'worker');
  if (expression === undefined) throw new Error(`${text}: ${problems.map(({ message }) => message).join('; ')}`);
  return expression;
}

/** As CEL's own evaluator says. */
function byLibrary(expression: CheckedExpression, worker: Worker): number {
  try {
    const value = libraryEvaluation(expression)(valuesOf(worker));
    if (typeof value !== 'boolean') throw new TypeError(`${expression.text} is ${String(value)}`);
    return value ? TRUE : FALSE;
  } catch (error) {
    if (error instanceof TypeError && error.message.includes(expression.text)) throw error;
    return error instanceof NoData ? NO_DATA : FAILED;
  }
}

const worker = fc.record({
  cpu: fc.option(fc.constantFrom(0, 1, 2.5, 90, -3, 1e300), { nil: undefined }),
  gpu: fc.option(fc.constantFrom(0, 50), { nil: undefined }),
  tasks: fc.option(fc.constantFrom(0, 1, 3, -7), { nil: undefined }),
  missed: fc.constantFrom(0, 2, 9_007_199_254_740_991),
  metric: fc.option(fc.constantFrom(0, 0.1, 7), { nil: undefined }),
  state: fc.constantFrom('active', 'inactive'),
  group: fc.constantFrom('', 'render'),
  zone: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
  stuck: fc.boolean(),
  average: fc.option(fc.constantFrom(1, 95.5), { nil: undefined }),
});

/** Texts of expressions of each type; whole numbers apart from others, since `%` and `/` differ. */
const { condition } = fc.letrec<{ condition: string; whole: string; number: string; text: string }>((tie) => {
  const binary = (of: 'condition' | 'whole' | 'number' | 'text', ...operators: readonly string[]) =>
    fc.tuple(tie(of), fc.constantFrom(...operators), tie(of)).map(([a, operator, b]) => `(${a} ${operator} ${b})`);
  return {
    whole: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('tasks', 'missed', '0', '2', '-1', '9007199254740991'),
      binary('whole', '+', '-', '*', '/', '%'),
      tie('whole').map((a) => `-${a}`),
      fc.tuple(tie('condition'), tie('whole'), tie('whole')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
    number: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(
        'cpu_usage',
        'gpu_usage',
        'metrics.x',
        'metrics["x"]',
        '0.0',
        '2.5',
        'avg_over("cpu_usage", "10m")',
      ),
      tie('whole'),
      binary('number', '+', '-', '*', '/'),
      tie('number').map((a) => `-${a}`),
      tie('number').map((a) => `double(${a})`),
      fc.tuple(tie('condition'), tie('number'), tie('number')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
    text: fc.constantFrom('group', 'labels.zone', 'labels["zone"]', '"a"', '"render"', 'group.lowerAscii()'),
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('true', 'false', 'stuck', 'has(gpu_usage)', 'has(metrics.x)', 'has(labels.zone)', 'has(tasks)'),
      fc.constantFrom(
        'group.startsWith("r")',
        '[1, 2].exists(x, x > tasks)',
        'tasks in [1, 3]',
        'has(avg_over("cpu_usage", "10m"))',
      ),
      binary('number', '<', '<=', '>', '>=', '==', '!='),
      binary('text', '==', '!=', '<'),
      fc.constantFrom('state == "inactive"', 'state in ["active", "left"]', 'labels.zone in ["a", "c"]'),
      binary('condition', '&&', '||', '&&', '||', '==', '!='),
      tie('condition').map((a) => `!${a}`),
      fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
  };
});

describe('a compiled condition', () => {
  test('says what CEL’s own evaluator says, wherever it decides', () => {
    fc.assert(
      fc.property(condition, fc.array(worker, { minLength: 1, maxLength: 4 }), (text, workers) => {
        const { expression } = checkExpression(text, 'worker');
        // Beyond a limit of length or depth.
        fc.pre(expression !== undefined);
        const verdicts = compileCondition(expression as CheckedExpression)(tableOf(workers));
        for (const [row, each] of workers.entries()) {
          const verdict = verdicts[row] as number;
          if (verdict === UNDECIDED) continue;
          expect([text, each, verdict]).toEqual([text, each, byLibrary(expression as CheckedExpression, each)]);
        }
      }),
      { numRuns: repetitions(300, 20_000) },
    );
  });

  const plain: Worker = {
    cpu: 91,
    gpu: undefined,
    tasks: 3,
    missed: 0,
    metric: undefined,
    state: 'active',
    group: 'render',
    zone: 'a',
    stuck: false,
    average: 95.5,
  };

  test.each([
    ['cpu_usage > 90', TRUE],
    ['cpu_usage > 90.0', TRUE],
    ['cpu_usage == 91', TRUE],
    ['90 < cpu_usage', TRUE],
    ['gpu_usage > 0', NO_DATA],
    ['!(gpu_usage > 0)', NO_DATA],
    ['has(gpu_usage)', FALSE],
    ['has(cpu_usage) && !has(metrics.x)', TRUE],
    ['gpu_usage > 0 || cpu_usage > 90', TRUE],
    ['cpu_usage > 90 || gpu_usage > 0', TRUE],
    ['gpu_usage > 0 && cpu_usage < 90', FALSE],
    ['gpu_usage > 0 && cpu_usage > 90', NO_DATA],
    ['has(gpu_usage) && gpu_usage > 0', FALSE],
    ['metrics.x > 1', NO_DATA],
    ['tasks / 2 == 1', TRUE],
    ['tasks / 2.0 == 1.5', TRUE],
    ['-tasks % 2 == -1', TRUE],
    ['tasks / 0 == 1', FAILED],
    ['tasks % 0 == 1', FAILED],
    ['cpu_usage / 0.0 > 1', TRUE],
    ['0.0 / 0.0 == 0.0 / 0.0', FALSE],
    ['tasks / 0 == 1 || true', TRUE],
    ['state == "inactive" || labels.zone == "a"', TRUE],
    ['labels.rack == "x"', NO_DATA],
    ['group in ["render", "farm"]', TRUE],
    ['avg_over("cpu_usage", "10m") > cpu_usage', TRUE],
    ['cpu_usage > (stuck ? 99 : 90)', TRUE],
    ['stuck ? gpu_usage > 1 : true', TRUE],
    // Beyond what a Float64 holds: CEL has 64 bits.
    ['9007199254740991 * tasks > 0', UNDECIDED],
    ['group.startsWith("r")', UNDECIDED],
    ['group.startsWith("r") && cpu_usage < 90', FALSE],
    ['gpus.exists(g, g.power_watts > 1) || tasks > 1', TRUE],
  ])('%s', (text, expected) => {
    const expression = checked(text);
    expect(compileCondition(expression)(tableOf([plain]))[0]).toBe(expected);
  });

  test('grows with its facts', () => {
    const compiled = compileCondition(checked('cpu_usage + 1 > 91 && state == "active"'));
    expect(compiled(tableOf([plain]))[0]).toBe(TRUE);
    const many = Array.from({ length: 200 }, (_, n) => ({ ...plain, cpu: n }));
    const verdicts = compiled(tableOf(many)).subarray(0, 200);
    expect(verdicts.filter((verdict) => verdict === TRUE).length).toBe(109);
  });
});

describe('CEL’s own evaluator', () => {
  const subject = (gpus: readonly Record<string, unknown>[] | undefined): SubjectValues => ({
    value: () => 5,
    metrics: () => ({ frames: 2 }),
    labels: () => ({}),
    gpus: () => gpus,
  });

  test.each([
    ['gpus.exists(g, g.temperature_celsius > 80)', [{}, { temperature_celsius: 81 }], true],
    ['gpus.exists(g, has(g.temperature_celsius) && g.temperature_celsius > 80)', [{}], false],
    ['has(gpus[0].temperature_celsius)', [{}], false],
    ['has(gpus[1])', [{}], false],
    ['has(gpus)', undefined, false],
    ['metrics.frames + 1 == 3 && 1 + 1.5 == 2.5', [], true],
    ['(true ? 1 : 2.5) == 1.0', [], true],
    ['(true ? 3 : 2.5) / 2 == 1.5', [], true],
    ['(true ? (false ? 1 : 3) : 2.5) / 2 == 1.5 && (true ? 3 : 2) / 2 == 1', [], true],
    ['[1, 2.5].exists(x, x / 2 == 0.5) && [1, 2].exists(x, x / 2 == 0)', [], true],
    ['[1, has(gpus) ? 3 : -1, 0.5][1] / 2 == 1.5', [], true],
    ['cpu_usage in [1, 5]', [], true],
    ['string(cpu_usage).size() == 1', [], true],
    ['"frames" in metrics && !("zone" in labels)', [], true],
  ])('%s of %j', (text, gpus, expected) => {
    expect(libraryEvaluation(checked(text))(subject(gpus))).toBe(expected);
  });

  test.each([
    ['gpus.all(g, g.temperature_celsius > 80)', [{}, { temperature_celsius: 81 }]],
    ['gpus[2].index == 1', [{}]],
    ['gpus.size() > 1', undefined],
    ['labels.zone.startsWith("a")', undefined],
  ])('lacks values for %s of %j', (text, gpus) => {
    expect(() => libraryEvaluation(checked(text))(subject(gpus))).toThrow(NoData);
  });

  test.each([
    ['gpus.exists(g, g.index > 1)', true],
    ['gpus. // each of them\n exists(g, g.index > 1)', true],
    ['size(gpus) > 1 && !( group\n.matches("a+") )', true],
    ['group.startsWith(".exists(") && cpu_usage > 1', false],
  ])('may loop, wherever the text breaks: %j', (text, expected) => {
    expect(mayLoop(checked(text))).toBe(expected);
  });

  test('fails by mistakes of the rule', () => {
    expect(() => libraryEvaluation(checked('[1, 2][3] == 1'))(subject([]))).toThrow(/index out of bounds/);
    expect(() => libraryEvaluation(checked('[1, 2][3] == 1'))(subject([]))).not.toThrow(NoData);
    expect(() => libraryEvaluation(checked('int("x") == 1'))(subject([]))).toThrow();
  });
});
