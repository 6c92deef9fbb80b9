import { expect, test } from 'vitest';
import { areBase, keysOf, keysOrAll } from '../../../src/history/query/keys.ts';
import { BASE_METRICS, USUAL_METRICS } from '../../../src/history/samples.ts';

const OTHERS = new Set(['cpu_usage', 'metrics.fps', 'metrics.a,b', 'metrics.cpu_usage', 'gpus.0.power_watts']);

test.each([
  [[], USUAL_METRICS],
  [['cpu_usage'], ['cpu_usage']],
  [['fps'], ['metrics.fps']],
  [['metrics.fps', 'fps'], ['metrics.fps']],
  [['a,b'], ['metrics.a,b']],
  [
    ['fps, gpu_usage', 'gpus.0.power_watts'],
    ['metrics.fps', 'gpu_usage', 'gpus.0.power_watts'],
  ],
  // A base metric comes before a custom one of its name, which has a key of its own.
  [
    ['cpu_usage', 'metrics.cpu_usage'],
    ['cpu_usage', 'metrics.cpu_usage'],
  ],
])('%j are the keys %j', (asked, keys) => expect(keysOf(asked, OTHERS, 'metric')).toEqual(keys));

test('an unknown metric is refused with those that exist, each once', () => {
  expect(() => keysOf(['cpu'], OTHERS, 'metric')).toThrow(
    'unknown metric "cpu"; expected one of cpu_usage, memory_usage, storage_usage, gpu_usage, running_tasks, ' +
      'anomaly_score, gpus.0.power_watts, metrics.a,b, metrics.cpu_usage, metrics.fps',
  );
  expect(() => keysOf([''], OTHERS, 'metric')).toThrow('unknown metric ""');
  const many = new Set(Array.from({ length: 200 }, (_, n) => `metrics.m${n}`));
  expect(() => keysOf(['x'], many, 'metric')).toThrow(/and 106 more$/);
});

test('the name of a custom metric may begin or end with a blank', () => {
  const others = new Set(['metrics. fps ', 'metrics.fps', 'metrics.gpu usage ']);
  expect(keysOf([' fps '], others, 'metric')).toEqual(['metrics. fps ']);
  expect(keysOf(['metrics.gpu usage ,fps'], others, 'metric')).toEqual(['metrics.gpu usage ', 'metrics.fps']);
  expect(keysOf([' fps'], others, 'metric')).toEqual(['metrics.fps']);
});

test.each([[['all']], [['cpu_usage, all']], [['fps', 'all']]])('%j are all metrics, each once', (asked) => {
  const all = [...BASE_METRICS, 'gpus.0.power_watts', 'metrics.a,b', 'metrics.cpu_usage', 'metrics.fps'];
  expect(keysOrAll(asked, OTHERS, 'metric')).toEqual(all);
  expect(keysOrAll(['fps'], OTHERS, 'metric')).toEqual(['metrics.fps']);
});

test('a custom metric that is called all, or has it in its name, is asked for by its key', () => {
  const others = new Set(['metrics.all', 'metrics.a,all']);
  expect(keysOrAll(['all'], others, 'metric')).toEqual([...BASE_METRICS, 'metrics.a,all', 'metrics.all']);
  expect(keysOrAll(['metrics.all'], others, 'metric')).toEqual(['metrics.all']);
  expect(keysOrAll(['a,all'], others, 'metric')).toEqual(['metrics.a,all']);
});

test('whether only base metrics are asked for is known without the others', () => {
  expect([areBase([]), areBase(['cpu_usage,gpu_usage']), areBase(['cpu_usage', 'fps'])]).toEqual([true, true, false]);
  expect(areBase(['cpu_usage '])).toBe(false);
});
