import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Rule } from '../../../src/alerts/rules/rule.ts';
import { AlertStates } from '../../../src/alerts/state/alert-states.ts';
import { alertId, type Now } from '../../../src/alerts/state/record.ts';
import { RESOLVED_KEPT_MS } from '../../../src/alerts/state/state-limits.ts';
import { evaluated, type FoundOf, rule, worker } from '../rules.ts';

const HOT = rule('Hot');
const HOUR = 3_600_000;

/** Attentive time differs from wall time: nothing may mix them up. */
const at = (s: number): Now => ({ unixMs: 1_700_000_000_000 + s * 1000, attentiveMs: s * 1000 });

class Scene {
  readonly states: AlertStates;
  #rules: readonly Rule[] = [HOT];

  constructor(rules = [HOT], options: Partial<ConstructorParameters<typeof AlertStates>[0]> = {}) {
    this.states = new AlertStates({ noDataAfterMs: HOUR, ...options });
    this.setRules(rules, 0);
  }

  setRules(rules: readonly Rule[], s: number): void {
    this.#rules = rules;
    this.states.setRules(rules, at(s));
  }

  /** @returns the transitions */
  evaluate(found: FoundOf, s: number, settings: Parameters<typeof evaluated>[2] = {}): string[] {
    for (const one of this.#rules) this.states.apply(evaluated(one, found, settings), at(s));
    return this.taken().map(({ record, from, to }) => `${record.subject.name}: ${from} → ${to}`);
  }

  taken() {
    return this.states.takeChanges().transitions;
  }

  alert(name: string, ruleName = 'Hot') {
    return this.states.get(alertId(ruleName, worker(name)));
  }
}

describe('what people see', () => {
  test('annotations are rendered once at an evaluation', () => {
    const scene = new Scene();
    let rendered = 0;
    const annotationsOf = () => ({ summary: `rendered ${++rendered} times` });
    scene.evaluate({ a: ['holds', 91] }, 0, { annotationsOf });
    expect(rendered).toBe(1);
    scene.evaluate({ a: ['holds', 92] }, 5, { annotationsOf });
    expect([rendered, scene.alert('a')?.annotations]).toEqual([2, { summary: 'rendered 2 times' }]);
  });

  test('values at pending, at firing and now, with annotations that follow them', () => {
    const scene = new Scene([rule('Hot', { forMs: 10_000 })]);
    expect(scene.evaluate({ a: ['holds', 91] }, 0)).toEqual(['a: inactive → pending']);
    expect(scene.evaluate({ a: ['holds', 93] }, 10)).toEqual(['a: pending → firing']);
    expect(scene.evaluate({ a: ['holds', 97] }, 15)).toEqual([]);
    const { values, annotations, transitions, pendingSinceUnixMs, firingSinceUnixMs } = scene.alert('a') ?? {};
    const numbers = Object.values(values ?? {}).map((one) => one?.parts.map(({ value }) => value));
    expect(numbers).toEqual([[91], [93], [97]]);
    expect(annotations).toEqual({ summary: 'a is at 97' });
    expect([pendingSinceUnixMs, firingSinceUnixMs]).toEqual([at(0).unixMs, at(10).unixMs]);
    expect(transitions).toEqual([
      { atUnixMs: at(0).unixMs, from: 'inactive', to: 'pending', closedBecause: null },
      { atUnixMs: at(10).unixMs, from: 'pending', to: 'firing', closedBecause: null },
    ]);
  });

  test('texts stay as they were while they had all their values', () => {
    const scene = new Scene();
    const saying = (summary: string) => ({ annotationsOf: () => ({ summary, unit: 'percent' }) });
    scene.evaluate({ a: ['holds', 91] }, 0, saying('cpu is unlike its usual 40'));
    scene.evaluate({ a: ['holds', 92] }, 5, saying('cpu is unlike its usual (no value)'));
    expect(scene.alert('a')?.annotations).toEqual({ summary: 'cpu is unlike its usual 40', unit: 'percent' });
    scene.evaluate({ a: ['holds', 93] }, 10, saying('cpu is unlike its usual 41'));
    expect(scene.alert('a')?.annotations).toEqual({ summary: 'cpu is unlike its usual 41', unit: 'percent' });
  });

  test('since when there are no values, and the last ones that there were', () => {
    const scene = new Scene();
    scene.evaluate({ a: ['holds', 95] }, 0);
    expect(scene.evaluate({ a: 'no_data' }, 5)).toEqual([]);
    expect(scene.evaluate({ a: 'no_data' }, 10)).toEqual([]);
    expect(scene.alert('a')).toMatchObject({ noDataSinceUnixMs: at(5).unixMs, core: { state: 'firing' } });
    expect(scene.alert('a')?.values.now?.parts).toEqual([{ text: 'cpu_usage', value: 95 }]);
    scene.evaluate({ a: 'no_data' }, 5 + HOUR / 1000);
    expect(scene.alert('a')).toMatchObject({ closedBecause: 'no_data', noDataSinceUnixMs: at(5).unixMs });
  });

  test('why it closed', () => {
    const scene = new Scene();
    scene.evaluate({ a: 'holds', b: 'holds', c: 'holds' }, 0);
    expect(scene.evaluate({ a: 'fails', b: 'removed', c: 'no_data' }, 5)).toEqual([
      'a: firing → resolved',
      'b: firing → resolved',
    ]);
    expect(['a', 'b', 'c'].map((name) => scene.alert(name)?.closedBecause)).toEqual([
      'recovered',
      'worker_removed',
      null,
    ]);
    scene.setRules([], 10);
    expect(scene.alert('c')?.closedBecause).toBe('rule_changed');
  });

  test('one that was pending again and did not fire keeps when and why it ended, with what was seen then', () => {
    const scene = new Scene([rule('Hot', { forMs: 10_000 })]);
    for (const s of [0, 10]) scene.evaluate({ a: ['holds', 90 + s] }, s);
    scene.evaluate({ a: ['fails', 80] }, 20);
    const { core: _, transitions: __, ...ended } = scene.alert('a') ?? {};
    expect(ended).toMatchObject({ resolvedUnixMs: at(20).unixMs, closedBecause: 'recovered' });
    expect(scene.evaluate({ a: ['holds', 91] }, 30)).toEqual(['a: resolved → pending']);
    expect(scene.alert('a')).toMatchObject({ resolvedUnixMs: null, closedBecause: null, firingSinceUnixMs: null });
    // Also over a restart.
    const next = new Scene([rule('Hot', { forMs: 10_000 })]);
    next.states.load(JSON.parse(JSON.stringify([...scene.states.all()])), 30_000);
    expect(next.evaluate({}, 5)).toEqual(['a: pending → resolved']);
    expect(next.alert('a')).toMatchObject(ended);
    expect(next.alert('a')).not.toHaveProperty('before');
    expect(next.evaluate({ a: 'holds' }, 10)).toEqual(['a: resolved → pending']);
    expect(next.evaluate({ a: 'holds' }, 20)).toEqual(['a: pending → firing']);
    expect(next.alert('a')).not.toHaveProperty('before');
  });

  test('labels identify it: those of the rule win, the name, severity and subject are always there, and all have legal names', () => {
    const labelled = rule('Hot', { labels: { team: 'a', 'my.zone': 'x', worker: 'no', empty: '' } });
    const scene = new Scene([labelled]);
    scene.evaluate({ w: 'holds' }, 0, {
      labelsOf: () => ({ group: 'g', team: 'b', '1st': 'y', 'gpu.model': 'A100', gpu_model: 'H100' }),
    });
    expect(scene.alert('w')?.labels).toEqual({
      ...{ alertname: 'Hot', severity: 'page', worker: 'w', group: 'g', team: 'a', my_zone: 'x', _1st: 'y' },
      // Two that would be called the same are two.
      ...{ gpu_model: 'H100', gpu_model_2: 'A100' },
    });
  });

  test('ids are 16 hexadecimal digits, and another for each rule and subject', () => {
    const ids = [worker('a'), worker('b'), { kind: 'group', name: 'a' } as const].flatMap((subject) => [
      alertId('Hot', subject),
      alertId('Cold', subject),
    ]);
    expect(new Set(ids).size).toBe(6);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(alertId('Hot', worker('a'))).toBe(alertId('Hot', worker('a')));
  });
});

describe('a changed rule', () => {
  test('closes its alerts if its condition is another one, and leaves them if only its times are', () => {
    const scene = new Scene();
    scene.evaluate({ a: 'holds' }, 0);
    scene.setRules([rule('Hot', { keepFiringForMs: 1000, runbookUrl: 'http://book' })], 5);
    expect(scene.taken()).toEqual([]);
    expect(scene.alert('a')).toMatchObject({ runbookUrl: 'http://book', core: { state: 'firing' } });
    scene.setRules([rule('Hot', { digest: 'another', severity: 'info' })], 10);
    expect(scene.alert('a')).toMatchObject({ closedBecause: 'rule_changed', severity: 'page' });
    expect(scene.evaluate({ a: 'holds' }, 15)).toEqual(['a: firing → resolved', 'a: resolved → firing']);
    expect(scene.alert('a')).toMatchObject({ severity: 'info', core: { state: 'firing' } });
  });

  test('shows the end of the old alert and the beginning of the new one, each as it was then', () => {
    const scene = new Scene();
    scene.evaluate({ a: 'holds' }, 0);
    const changed = rule('Hot', { digest: 'another', severity: 'info', forMs: 60_000 });
    scene.setRules([changed], 5);
    scene.states.apply(evaluated(changed, { a: 'holds' }), at(5));
    expect(scene.taken()).toMatchObject([
      {
        from: 'firing',
        to: 'resolved',
        record: { severity: 'page', closedBecause: 'rule_changed', resolvedUnixMs: at(5).unixMs },
      },
      { from: 'resolved', to: 'pending', record: { severity: 'info', closedBecause: null, firingSinceUnixMs: null } },
    ]);
    expect(scene.evaluate({}, 10)).toEqual(['a: pending → resolved']);
    expect(scene.alert('a')).toMatchObject({ severity: 'page', closedBecause: 'rule_changed' });
  });

  test('ends flapping, also of an alert that is resolved at the moment, and what is left of it goes after a while', () => {
    const scene = new Scene();
    for (let s = 0; s < 40; s += 5) scene.evaluate(s % 10 === 0 ? { a: 'holds', b: 'holds' } : { b: 'holds' }, s);
    scene.evaluate({}, 40);
    scene.evaluate({ b: 'holds' }, 45);
    for (let s = 50; s < 80; s += 5) scene.evaluate(s % 10 === 0 ? {} : { b: 'holds' }, s);
    expect(['a', 'b'].map((name) => scene.alert(name)?.core)).toMatchObject([
      { state: 'resolved', isFlapping: true },
      { state: 'firing', isFlapping: true },
    ]);
    scene.taken();
    scene.setRules([], 80);
    const { stored, transitions } = scene.states.takeChanges();
    expect([stored.size, transitions.length]).toEqual([2, 1]);
    expect(['a', 'b'].map((name) => scene.alert(name)?.core)).toMatchObject([
      { state: 'resolved', isFlapping: false },
      { state: 'resolved', isFlapping: false },
    ]);
    scene.states.forgetOld(at(70 + RESOLVED_KEPT_MS / 1000));
    expect([...scene.states.all()].map(({ subject }) => subject.name)).toEqual(['b']);
    scene.states.forgetOld(at(80 + RESOLVED_KEPT_MS / 1000));
    expect([...scene.states.all()]).toEqual([]);
    expect(scene.states.takeChanges().removed.size).toBe(2);
  });
});

describe('bounds', () => {
  test('alerts beyond the most are left out, counted with their rule, and come when there is room', () => {
    const scene = new Scene([HOT], { maxActive: 2 });
    expect(scene.evaluate({ a: 'holds', b: 'holds', c: 'holds' }, 0)).toHaveLength(2);
    expect(scene.states.ofRule('Hot')).toEqual({ pending: 0, firing: 2, leftOut: 1 });
    expect(scene.evaluate({ b: 'holds', c: 'holds' }, 5)).toEqual(['a: firing → resolved']);
    expect(scene.evaluate({ b: 'holds', c: 'holds' }, 10)).toEqual(['c: inactive → firing']);
  });

  test('of resolved ones the oldest go first, and all go after a while', () => {
    const scene = new Scene([HOT], { maxResolved: 2 });
    scene.evaluate({ a: 'holds', b: 'holds', c: 'holds' }, 0);
    scene.evaluate({ a: 'holds', c: 'holds' }, 5);
    scene.evaluate({}, 10);
    expect(['a', 'b', 'c'].map((name) => scene.alert(name)?.core.state)).toEqual(['resolved', undefined, 'resolved']);
    scene.evaluate({}, 10 + RESOLVED_KEPT_MS / 1000);
    expect([...scene.states.all()]).toEqual([]);
  });

  test('values of many alerts are read in turns', () => {
    const scene = new Scene([HOT], { maxRefreshed: 2 });
    const hot = (value: number): FoundOf =>
      Object.fromEntries('abcde'.split('').map((name) => [name, ['holds', value]]));
    scene.evaluate(hot(91), 0);
    const now = () => 'abcde'.split('').map((name) => scene.alert(name)?.values.now?.parts[0]?.value);
    let last = now();
    for (let s = 5; s <= 20; s += 5) {
      scene.evaluate(hot(99), s);
      expect(now().filter((value, n) => value !== last[n]).length).toBeLessThanOrEqual(2);
      last = now();
    }
    expect(last).toEqual([99, 99, 99, 99, 99]);
  });
});

test('after a restart, firing alerts are there and tell nobody anew', () => {
  const scene = new Scene();
  scene.evaluate({ a: 'holds' }, 100);
  const next = new Scene([]);
  next.states.load(JSON.parse(JSON.stringify([...scene.states.all()])), 100_000);
  next.setRules([HOT], 0);
  expect(next.evaluate({ a: 'holds' }, 5)).toEqual([]);
  expect(next.alert('a')?.firingSinceUnixMs).toBe(at(100).unixMs);
  // All of it is stored anew, since its times were those of the other run.
  expect(next.evaluate({ a: 'fails' }, 10)).toEqual(['a: firing → resolved']);
});

test('steps of the wall clock change no decision', () => {
  const steps = fc.array(
    fc.record({
      s: fc.integer({ min: 1, max: 20 }),
      wallStepMs: fc.integer({ min: -1e10, max: 1e10 }),
      holds: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const decide = (withSteps: boolean) => {
        const states = new AlertStates({ noDataAfterMs: HOUR });
        const timed = rule('Hot', { forMs: 12_000, keepFiringForMs: 8000 });
        states.setRules([timed], at(0));
        let [s, offset] = [0, 0];
        return list.map(({ s: gap, wallStepMs, holds }) => {
          s += gap;
          if (withSteps) offset += wallStepMs;
          const now = { ...at(s), unixMs: at(s).unixMs + offset };
          states.apply(evaluated(timed, { a: holds ? 'holds' : 'fails' }), now);
          return [...states.all()].map(({ core }) => core);
        });
      };
      expect(decide(true)).toEqual(decide(false));
    }),
    { numRuns: 100 },
  );
});
