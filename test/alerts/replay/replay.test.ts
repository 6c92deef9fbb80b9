import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFixture } from '../../../src/alerts/replay/fixture.ts';
import { replay } from '../../../src/alerts/replay/replay.ts';
import { NumberTrack, type ReplaySource } from '../../../src/alerts/replay/track.ts';
import { parseRules } from '../../../src/alerts/rules/parse-rules.ts';
import { repetitions } from '../../support/repetitions.ts';

const rulesOf = (rules: string) => {
  const parsed = parseRules(`rules:\n${rules}`, { path: undefined, allowsCommands: false, readFile: () => '' });
  if (parsed.rules === undefined) throw new Error(JSON.stringify(parsed.problems));
  return parsed.rules.rules;
};

const fixtureOf = (text: string) => {
  const { fixture, problems } = parseFixture(text);
  if (fixture === undefined) throw new Error(JSON.stringify(problems));
  return fixture;
};

/** `worker from-until` of each firing of a rule, in seconds from the start; without an end: it still fires. */
async function firingsOf(rules: string, source: ReplaySource, names?: readonly string[]) {
  const all = rulesOf(rules).filter(({ name, isShipped }) => names?.includes(name) ?? !isShipped);
  const result = await replay({ rules: all, source, evaluationIntervalMs: 5_000, noDataAfterMs: 3_600_000 });
  const seconds = (ms: number | undefined) => (ms === undefined ? '' : String((ms - source.fromMs) / 1000));
  return result.rules.flatMap(({ firings }) =>
    firings.map(({ subject, firedAtMs, endedAtMs }) => `${subject.name} ${seconds(firedAtMs)}-${seconds(endedAtMs)}`),
  );
}

describe('a replay', () => {
  const { source } = fixtureOf(`
series:
  - { worker: w-1, group: g, labels: { zone: a }, values: { cpu_usage: "50x9 95x9 85x9 50x19 _x20", state: "activex60 inactivex9" } }
  - { worker: w-2, group: g, values: { cpu_usage: "50x69", metrics.frames: "0+60x69" } }
`);

  test('applies for, clear_when and keep_firing_for as a live master does', async () => {
    expect(await firingsOf('  - { alert: A, when: "cpu_usage > 90" }', source)).toEqual(['w-1 50-100']);
    // At the moment when the 7 seconds end, between two evaluations.
    expect(await firingsOf('  - { alert: A, when: "cpu_usage > 90", for: 7s }', source)).toEqual(['w-1 57-100']);
    const rule = '  - { alert: A, when: "cpu_usage > 90", clear_when: "cpu_usage < 80", keep_firing_for: 12s }';
    expect(await firingsOf(rule, source)).toEqual(['w-1 50-162']);
  });

  test('keeps an alert firing whose values stopped', async () => {
    expect(await firingsOf('  - { alert: A, when: "cpu_usage > 40", for: 300s }', source)).toEqual(['w-2 300-']);
    expect(await firingsOf('  - { alert: A, when: "cpu_usage > 40" }', source)).toEqual(['w-1 0-', 'w-2 0-']);
  });

  test('knows states, windows, labels and groups', async () => {
    expect(await firingsOf('  - { alert: A, when: state == "inactive" && state_seconds >= 10 }', source)).toEqual([
      'w-1 315-',
    ]);
    expect(await firingsOf('  - { alert: A, when: \'rate("frames", "30s") > 11.9\' }', source)).toEqual(['w-2 15-']);
    expect(await firingsOf('  - { alert: A, when: labels.zone == "a" && cpu_usage > 90 }', source)).toEqual([
      'w-1 50-100',
    ]);
    const group =
      '  - { alert: A, for_each: group, when: \'count("inactive") * 2 >= workers || max("cpu_usage") > 90\' }';
    expect(await firingsOf(group, source)).toEqual(['g 50-100', 'g 305-']);
  });

  test('does not run what nothing is known of', async () => {
    const rules = rulesOf('  - { alert: A, when: "skew_ms > 5" }').filter(({ name }) => name === 'A');
    const { rules: result } = await replay({ rules, source, evaluationIntervalMs: 5_000, noDataAfterMs: 1_000 });
    expect(result).toMatchObject([{ name: 'A', unknownNames: ['skew_ms'], firings: [] }]);
  });

  test('counts what was pending and did not fire', async () => {
    const rules = rulesOf('  - { alert: A, when: "cpu_usage > 90", for: 2m }').filter(({ name }) => name === 'A');
    const { rules: result } = await replay({ rules, source, evaluationIntervalMs: 5_000, noDataAfterMs: 1_000 });
    expect(result).toMatchObject([{ pendings: 1, longestPendingMs: 50_000, firings: [] }]);
  });

  test('holds workers of a braked group, and the shipped rule of the group fires', async () => {
    const braked = fixtureOf(`
series:
  - { group: g, values: { brake: "falsex9 truex19 falsex19" } }
  - { worker: w-1, group: g, values: { cpu_usage: "50x14 95x25" } }
`).source;
    const rules = '  - { alert: A, when: "cpu_usage > 90" }';
    expect(await firingsOf(rules, braked)).toEqual(['w-1 150-']);
    expect(await firingsOf(rules, braked, ['GroupMostlySilent'])).toEqual(['g 110-210']);
  });

  test('a group is silent as long as those who should report are, whoever said farewell or never came', async () => {
    const { source: rack } = fixtureOf(`
series:
  - { group: g, values: { brake: "falsex9 truex19 falsex39" } }
${['a', 'b', 'c'].map((id) => `  - { worker: ${id}, group: g, values: { state: "activex29 inactivex19 activex19" } }`).join('\n')}
${Array.from({ length: 9 }, (_, n) => `  - { worker: l${n}, group: g, values: { state: "leftx69" } }`).join('\n')}
${Array.from({ length: 9 }, (_, n) => `  - { worker: r${n}, group: g, values: { state: "registeredx69" } }`).join('\n')}
`);
    expect(await firingsOf('  []', rack, ['GroupMostlySilent'])).toEqual(['g 110-310']);
  });

  test('a disk that is full has not recovered', async () => {
    const { source: disks } = fixtureOf(`
interval: 60s
series:
  - { worker: fills, values: { storage_usage: "60x89 60+3.96x10 99.6x139 40x60" } }
  - { worker: was-full, values: { storage_usage: "99.7x300" } }
  - { worker: stops, values: { storage_usage: "55x89 55+1x20 75x190" } }
`);
    const firings = await firingsOf('  []', disks, ['StorageFullSoon']);
    expect(firings.filter((each) => !each.startsWith('stops'))).toEqual(['was-full 600-', 'fills 6420-15360']);
    expect(firings.filter((each) => each.startsWith('stops'))).toEqual([expect.stringMatching(/^stops \d+-\d+$/)]);
  });

  test('has no alarm on a healthy fleet by shipped rules', async () => {
    const healthy = fixtureOf(`
interval: 60s
series:
  - worker: w-1
    group: g
    values:
      cpu_usage: "20+1x60 80-1x60 20+0.5x100"
      memory_usage: "60x100 85x60 60x60"
      storage_usage: "40+0.02x220"
      gpu_usage: "95x220"
      tasks: "3x220"
      missed: "0x100 1x120"
      dropped: "0x220"
      interval_ms: "5000x220"
      skew_ms: "12-0.1x220"
      score: "0.1x50 0.4x3 0.1x166"
`).source;
    const names = rulesOf('  []').map(({ name }) => name);
    expect(await firingsOf('  []', healthy, names)).toEqual([]);
  });

  test('sees min, max and last of a rollup in turn', async () => {
    const track = new NumberTrack();
    for (let minute = 0; minute < 5; minute++) {
      for (const [third, value] of [10, 95, 50].entries()) track.add(minute * 60_000 + (third + 1) * 20_000, value);
    }
    const worker = {
      workerId: 'w',
      group: '',
      labels: {},
      numbers: new Map([['cpu_usage', track]]),
      changes: [{ atMs: 0, name: 'state', value: 'active' }],
    };
    const rollups: ReplaySource = {
      workers: [worker],
      brakes: [],
      fromMs: 0,
      toMs: 300_000,
      knows: new Set(['cpu_usage']),
      stepMs: () => 20_000,
    };
    const fired = await firingsOf('  - { alert: A, when: "cpu_usage > 90" }', rollups);
    expect(fired).toEqual(['w 40-60', 'w 100-120', 'w 160-180', 'w 220-240', 'w 280-300']);
  });
});

describe('a file of series', () => {
  test('names its mistakes with their places', () => {
    const { problems = [] } = parseFixture(`interval: 5
series:
  - { worker: w-1, values: { cpu_usge: "1", state: "activ", stuck: "1", cpu_usage: "1 a", tasks: "1 ?" } }
  - { values: { cpu_usage: "1" } }
  - { worker: w-2 }
expect: [{ alert: A }]
extra: 1
`);
    // The fields around are checked first.
    expect(problems.map(({ line, column }) => `${line}:${column}`)).toEqual(['1:11', '7:1']);
    const { problems: inner = [] } = parseFixture(`series:
  - { worker: w-1, values: { cpu_usge: "1", state: "activ", stuck: "1", cpu_usage: "1 a", tasks: "1 ?" } }
  - { values: { cpu_usage: "1" } }
  - { worker: w-2 }
expect: [{ alert: A }]
`);
    expect(inner.map(({ line, column, message }) => `${line}:${column} ${message}`)).toEqual([
      '2:30 series 1: there is no series cpu_usge; did you mean cpu_usage?',
      '2:52 state is never "activ"; did you mean active?',
      '2:68 stuck: found 1; expected true or false',
      '2:84 cpu_usage: found "a"; expected numbers',
      expect.stringContaining('2:98 tasks: found "?"; expected values such as'),
      expect.stringContaining('3:17 series 2: cpu_usage is not a series of a group'),
      expect.stringContaining('4:5 series 3, values is missing'),
      expect.stringContaining('5:10 expectation 1, at is missing'),
    ]);
  });

  test('is bounded', () => {
    const { problems = [] } = parseFixture('series: [{ worker: w, values: { cpu_usage: "1x999999999" } }]');
    expect(problems[0]?.message).toContain('more than 5000000 values');
  });

  test('is taken, or has problems with a place, whatever it says', () => {
    const token = fc.oneof(
      fc.constantFrom('5', '5x3', '5+2x3', '_', '_x3', 'activex3', 'true', '-1e9', 'x', '5x', '5+x3'),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 8 }),
        fc.constantFrom('cpu_usage', 'state', 'stuck', 'metrics.a', 'x'),
        (tokens, name) => {
          const text = JSON.stringify({ series: [{ worker: 'w', values: { [name]: tokens.join(' ') } }] });
          const { fixture, problems = [] } = parseFixture(text);
          expect(fixture === undefined).toBe(problems.length > 0);
          for (const { line, column } of problems) expect([line, column]).toEqual([1, expect.any(Number)]);
        },
      ),
      { numRuns: repetitions(100, 5_000) },
    );
  });
});
