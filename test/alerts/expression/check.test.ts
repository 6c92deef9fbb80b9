import { describe, expect, it } from 'vitest';
import { checkExpression } from '../../../src/alerts/expression/check.ts';
import type { ForEach } from '../../../src/model/alert.ts';

const problemsOf = (text: string, forEach: ForEach = 'worker') =>
  checkExpression(text, forEach).problems.map(({ start, end, message }) => `${text.slice(start, end)}: ${message}`);

describe('a condition that is right', () => {
  it.each([
    'cpu_usage > 90',
    'cpu_usage > 90.0',
    'cpu_usage / 2 + tasks * 1.5 >= 10',
    'has(gpu_usage) && gpu_usage > 95',
    'has(metrics.frames) && metrics["frames"] < 1',
    'labels.zone == "a" || "zone" in labels',
    'state in ["inactive", "unknown"] && state_seconds > 60',
    'avg_over("memory_usage", "10m") > 90 && rate(frames_rendered, "5m") < 0.1',
    'predict("storage_usage", "30m", "4h") >= 100',
    'has(avg_over("frames", "10m"))',
    'gpus.exists(g, has(g.temperature_celsius) && g.temperature_celsius > 85)',
    'size(gpus.filter(g, g.utilization_percent > 5)) >= 2 || gpus.size() < gpus_seen',
    'gpus.map(g, g.name).exists(n, n.matches("^NVIDIA .*"))',
    'stuck ? cpu_usage < 5 : !flapping',
    '[1, 2.5].exists(x, x > cpu_usage)',
    'gpus[0].power_watts > 300',
    'lane_state == "quarantined" && int(string(tasks)) % 2 == 0',
  ])('%s', (text) => {
    const { expression, problems, warnings } = checkExpression(text, 'worker');
    expect(problems).toEqual([]);
    expect(warnings).toEqual([]);
    expect(expression?.type).toBe('bool');
  });

  it.each([
    'brake || inactive >= 3 && inactive * 100 >= 55 * workers',
    'avg("cpu_usage") > 80 || max(cpu_usage) > 99 || count("inactive") + count(suspect) > 2',
    'name.startsWith("render") && avg(metrics.frames) < 5',
    'active == workers',
  ])('for a group: %s', (text) => {
    expect(problemsOf(text, 'group')).toEqual([]);
  });

  it('resolves calls with constant arguments', () => {
    const { expression } = checkExpression('predict("disk", "30m", "4h") > avg_over(tasks, "90s")', 'worker');
    expect(expression?.windows).toEqual([
      { kind: 'predict', metric: 'disk', windowMs: 1_800_000, aheadMs: 14_400_000 },
      { kind: 'avg_over', metric: 'tasks', windowMs: 90_000, aheadMs: undefined },
    ]);
  });

  it('says which names it reads', () => {
    expect(checkExpression('cpu_usage > tasks && cpu_usage < 5', 'worker').expression?.names).toEqual([
      'cpu_usage',
      'tasks',
    ]);
  });
});

describe('a condition that is wrong', () => {
  it.each([
    ['', ': the expression is empty; expected one such as cpu_usage > 90'],
    ['cpu_usge > 90', 'cpu_usge: unknown name cpu_usge; did you mean cpu_usage?'],
    ['cpuUsage > 1', 'cpuUsage: unknown name cpuUsage; did you mean cpu_usage?'],
    ['cpu_usage', 'cpu_usage: the condition is a number; expected true or false, such as cpu_usage > 90'],
    ['cpu_usage > "a"', 'cpu_usage > "a": cpu_usage is a number and "a" is a text; > expects two numbers or two texts'],
    ['state == "inactve"', '"inactve": state is never "inactve"; did you mean inactive?'],
    ['"x" == state', '"x": state is never "x"; expected one of registered, active'],
    ['state in ["activ"]', '"activ": state is never "activ"; did you mean active?'],
    ['cpu_usage > 90 and stuck', 'and: "and" is not an operator of CEL; expected &&'],
    ['cpu_usage = 90', '=: found "="; expected "==" for a comparison'],
    ['cpu_usage >', ': the expression ends too early'],
    ['(cpu_usage > 1', ': the expression ends too early'],
    ['frames > 1', 'frames: unknown name frames; expected one of worker_id'],
    [
      'avg("cpu_usage") > 1',
      'avg("cpu_usage"): avg exists only for_each: group or cluster, and this rule is for_each: worker',
    ],
    ['avg_ovr("a", "5m") > 1', 'avg_ovr("a", "5m"): unknown function avg_ovr; did you mean avg_over?'],
    ['avg_over("a", "5") > 1', '"5": the window is "5"; expected a duration such as'],
    ['avg_over("a", "1s") > 1', '"1s": the window is "1s"; expected a duration from 5s to 1w'],
    ['avg_over("a", labels.w) > 1', 'labels.w: the window must be a constant in quotation marks, such as "10m"'],
    ['avg_over("a") > 1', 'avg_over("a"): avg_over has 1 arguments; expected avg_over("memory_usage", "10m")'],
    [
      'avg_over("state", "5m") > 1',
      '"state": avg_over does not take state; expected a custom metric or one of cpu_usage',
    ],
    ['avg_over(cpu_usage + 1, "5m") > 1', 'cpu_usage + 1: expected the name of a metric as a constant'],
    ['gpu_usage == null', 'null: nothing is null here; expected has(name) to test for a value'],
    ['gpus.exists(g, g.temperature > 90)', 'g.temperature: a device has no member temperature; expected one of index'],
    ['gpus.power_watts > 3', 'gpus.power_watts: gpus is a list of devices and has no members'],
    ['gpus.exists(stuck, true)', 'stuck: stuck is a name already'],
    ['labels.a.matches("(?=a)")', '"(?=a)": the pattern cannot be used'],
    ['labels.a.matches("(?i)a")', 'match x.lowerAscii()'],
    ['labels.a.matches("[[:digit:]]+")', '[[: is not supported; expected ^, $'],
    ['labels.a.matches("\\\\pL")', '\\p is not supported'],
    ['avg_over(cpu_usage, 10m) > 1', 'a duration stands in quotation marks, such as "10m"'],
    ['labels.a.matches("(")', '"(": the pattern cannot be used: Unterminated group'],
    ['workers > 1', 'workers: workers exists only for_each: group or cluster, and this rule is for_each: worker'],
    ['has(cpu_usage > 1)', 'cpu_usage > 1: has takes a name'],
    ['tasks % 2.0 == 1', 'tasks % 2.0: tasks is a whole number and 2.0 is a number; % expects two whole numbers'],
    ['cel.bind(x, 1, x > 2)', 'unknown function cel.bind'],
    ['timestamp("x") > 1', 'timestamp("x"): unknown function timestamp'],
  ])('%s', (text, message) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });

  it('names all of its mistakes', () => {
    expect(problemsOf('cpu_usge > 1 && state == "gone" || avg_over("a", "x") > tsks')).toEqual([
      'cpu_usge: unknown name cpu_usge; did you mean cpu_usage?',
      expect.stringContaining('"gone": state is never "gone"'),
      expect.stringContaining('"x": the window is "x"'),
      'tsks: unknown name tsks; did you mean tasks?',
    ]);
  });

  it.each([
    [`${'('.repeat(200)}stuck${')'.repeat(200)}`, 'nested too deeply'],
    [`${'!'.repeat(3000)}stuck`, 'too'],
    [Array.from({ length: 300 }, () => 'stuck').join(' || '), 'too many parts; at most 200'],
    ['x'.repeat(5000), 'has 5000 characters; at most 4000'],
    [Array.from({ length: 17 }, (_, n) => `rate("m${n}", "5m") > 1`).join(' || '), 'more than 16 calls'],
  ])('is bounded in size', (text, message) => {
    expect(problemsOf(text).join()).toContain(message);
  });

  it('warns of a custom metric that is nearly a built-in name', () => {
    const { problems, warnings } = checkExpression('avg_over("cpu_usag", "5m") > 1', 'worker');
    expect(problems).toEqual([]);
    expect(warnings.map(({ message }) => message)).toEqual([
      'cpu_usag is taken for a custom metric; did you mean cpu_usage?',
    ]);
  });
});
