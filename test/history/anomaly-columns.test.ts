import { expect, test } from 'vitest';
import { anomalyColumns } from '../../src/history/anomaly-columns.ts';
import { sampleRunOf } from '../../src/history/ring-samples.ts';
import { ReasonCode } from '../../src/model/anomaly/reason.ts';
import { SampleColumns } from '../../src/store/sample-columns.ts';
import { NO_SCORE, scoreIn, scoreWord } from '../../src/store/score-word.ts';

/** Samples with these words. */
function columnsOf(words: readonly number[], metricKeys: readonly string[] = []): SampleColumns {
  const columns = new SampleColumns();
  columns.reserve(words.length, metricKeys);
  columns.to = words.length;
  for (const [n, word] of words.entries()) {
    columns.scoreWords[n] = word;
    columns.anomalyScore[n] = scoreIn(word);
    columns.usual[n] = 41.23456;
  }
  return columns;
}

test('only anomalies have a reason and what is usual, each of its metric', () => {
  const columns = columnsOf(
    [
      scoreWord(0.3, undefined),
      scoreWord(0.6, { place: 1, code: ReasonCode.above, ratio: 3.9 }),
      scoreWord(0.8, { place: 6, code: ReasonCode.still, ratio: 0 }),
      NO_SCORE,
    ],
    ['metrics.depth'],
  );
  expect(Object.fromEntries(anomalyColumns(columns))).toEqual({
    'anomaly.above.memory_usage': Float64Array.of(Number.NaN, 3.9, Number.NaN, Number.NaN),
    'anomaly.usual.memory_usage': Float64Array.of(Number.NaN, 41.23, Number.NaN, Number.NaN),
    'anomaly.still.metrics.depth': Float64Array.of(Number.NaN, Number.NaN, 0, Number.NaN),
    'anomaly.usual.metrics.depth': Float64Array.of(Number.NaN, Number.NaN, 41.23, Number.NaN),
  });
  const run = sampleRunOf('w', columns, 1);
  expect(run.columns.get('anomaly_score')).toEqual(Float64Array.of(0.3, 0.6, 0.8, Number.NaN));
  expect(run.columns.get('anomaly.above.memory_usage')?.[1]).toBe(3.9);
});

test('without scores there are no such columns', () => {
  const run = sampleRunOf('w', columnsOf([NO_SCORE, NO_SCORE]), 1);
  expect([...run.columns.keys()].filter((key) => key.startsWith('anomaly'))).toEqual([]);
});
