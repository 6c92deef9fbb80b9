import { afterEach, expect, test, vi } from 'vitest';
import { ReasonCode } from '../../src/model/anomaly/reason.ts';
import { allocatePeerScores, type PeerCause, PeerScoresReader, PeerScoresWriter } from '../../src/store/peer-scores.ts';
import { diesAt } from './killed-writer.ts';

afterEach(() => vi.restoreAllMocks());

const cause: PeerCause = {
  metric: 'memory_usage',
  code: ReasonCode.peers,
  value: 91.5,
  usual: 40.25,
  ratio: 7.5,
  samples: 12,
};

function made() {
  const memory = allocatePeerScores(4);
  return { memory, reader: new PeerScoresReader(memory), writer: new PeerScoresWriter(memory) };
}

test('a score is read as it was written, with its cause', () => {
  const { reader, writer } = made();
  expect(reader.of(2, 7)).toBeUndefined();
  expect(writer.set(2, 7, 0.756, cause, 1_700_000_000_500)).toBe(true);
  expect(reader.of(2, 7)).toEqual({ score: 0.76, receivedUnixMs: 1_700_000_000_000, cause });
  expect(writer.set(2, 7, 0.759, cause, 1_700_000_005_000)).toBe(false);
  expect(reader.of(1, 7)).toBeUndefined();
  expect(writer.set(2, 7, 0, undefined, 1_700_000_010_000)).toBe(true);
  expect(reader.of(2, 7)).toBeUndefined();
});

test('the next worker of a row does not get the score of the one before', () => {
  const { reader, writer } = made();
  writer.set(0, 1, 0.9, cause, 1000);
  expect(reader.of(0, 2)).toBeUndefined();
  writer.set(0, 2, 0.3, undefined, 2000);
  expect(reader.of(0, 1)).toBeUndefined();
  expect(reader.of(0, 2)).toEqual({ score: 0.3, receivedUnixMs: 2000, cause: undefined });
});

test('a thread that is killed anywhere within a write leaves the old score or the new one, and the next one forgets both', () => {
  let died = true;
  for (let nth = 0; died; nth++) {
    const { memory, reader, writer } = made();
    writer.set(0, 1, 0.9, cause, 1000);
    died = diesAt(nth, () => writer.set(0, 1, 0.5, undefined, 2000));
    expect(reader.of(0, 1)?.score).toBeOneOf([0.9, 0.5]);
    const next = new PeerScoresWriter(memory);
    next.reset();
    expect(reader.of(0, 1)).toBeUndefined();
    next.set(0, 1, 0.7, cause, 3000);
    expect(reader.of(0, 1)?.score).toBe(0.7);
  }
});
