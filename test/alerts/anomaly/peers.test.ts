import { expect, test } from 'vitest';
import { AnomalyWatch } from '../../../src/alerts/anomaly/watch.ts';
import { ReasonCode } from '../../../src/model/anomaly/reason.ts';
import { Directory, type WorkerEntry } from '../../../src/reading/directory.ts';
import { scoreOf } from '../../../src/reading/scores.ts';
import { BoardReader } from '../../../src/store/board.ts';
import type { AnomalyFigures } from '../../../src/store/master-figures.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Fleet } from '../../support/fleet.ts';

const IDS = Array.from({ length: 8 }, (_, n) => `w${n}`);

/** Eight workers of a group that send every 5 s, and one that is in none. */
function watched() {
  const clock = new FakeClock(1_800_000_000_000);
  const fleet = new Fleet(clock);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  const moveTo = (group: string, ...ids: readonly string[]) => {
    const facts = { labels: {}, totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0, ephemeral: false };
    const texts = { ip: '', instanceId: '', agentVersion: '' };
    for (const workerId of ids)
      fleet.onAnnounce([{ type: 'workerFacts', workerId, facts: { ...facts, ...texts, group } }]);
  };
  for (const id of [...IDS, 'alone']) {
    fleet.register(id);
    moveTo(id === 'alone' ? '' : 'rack', id);
  }
  const figures: AnomalyFigures[] = [];
  const errors: unknown[] = [];
  const start = () =>
    new AnomalyWatch({
      directory,
      past: undefined,
      timeZone: 'UTC',
      clock,
      onExpected: () => {},
      onFigures: (told) => figures.push(told),
      log: () => {},
      onError: (error) => errors.push(error),
    });
  const watch = start();
  let n = 0;
  /** @param memory of `w0` and of `alone` */
  const beats = async (times: number, memory?: number, who: readonly string[] = [...IDS, 'alone']) => {
    for (let beat = 0; beat < times; beat++) {
      n++;
      for (const [index, id] of who.entries()) {
        const noise = Math.sin(n * 1.7 + index);
        const isOdd = memory !== undefined && (id === 'w0' || id === 'alone');
        fleet.beat(id, { memoryUsage: isOdd ? memory : 40 + noise, cpuUsage: 20 + noise });
      }
      await clock.advance(5000);
    }
    expect(errors).toEqual([]);
  };
  const peersOf = (id: string) => {
    const { row, occupant } = directory.get(id) as WorkerEntry;
    return directory.board.peerScores.of(row, occupant);
  };
  return { clock, fleet, directory, figures, beats, peersOf, start, watch, moveTo };
}

test('a worker that leaves its group gets a score with the reason, and the others none', async () => {
  const { beats, peersOf, directory, figures, fleet } = watched();
  await beats(500);
  expect(IDS.map((id) => peersOf(id)?.cause)).toEqual(IDS.map(() => undefined));
  const before = fleet.board.publications.of((directory.get('w0') as WorkerEntry).row);
  await beats(20, 90);
  const { score = 0, cause } = peersOf('w0') ?? {};
  expect(score).toBeGreaterThanOrEqual(0.5);
  expect(cause).toMatchObject({ metric: 'memory_usage', code: ReasonCode.peers, value: 90 });
  expect(cause?.usual).toBeCloseTo(40, -1);
  expect(IDS.slice(1).map((id) => peersOf(id)?.cause)).toEqual(IDS.slice(1).map(() => undefined));
  // Nobody says that it is like the others: only its own samples count.
  expect(peersOf('alone')).toBeUndefined();
  // Besides its heartbeats, readers that look for changes see its score.
  expect(fleet.board.publications.of((directory.get('w0') as WorkerEntry).row)).toBeGreaterThan(before + 20);
  expect(scoreOf(directory.get('w0') as WorkerEntry, directory.board)?.score).toBeGreaterThanOrEqual(score);
  expect(figures.at(-1)).toEqual({ scored: 9, anomalous: 2 });
});

test('a worker that falls silent has no score beside its group, and neither has one whose row another one gets', async () => {
  const { beats, peersOf, fleet, clock, directory } = watched();
  await beats(500);
  await beats(20, 90);
  const { row, occupant } = directory.get('w0') as WorkerEntry;
  expect(directory.board.peerScores.of(row, occupant + 1)).toBeUndefined();
  fleet.board.setState(row, 'inactive', 'silence', 0);
  await clock.advance(5000);
  expect(peersOf('w0')).toBeUndefined();
});

test('the next thread begins without what the one before had found, and a worker that stays apart is no anomaly to it', async () => {
  const { beats, peersOf, watch, start } = watched();
  await beats(500);
  await beats(20, 90);
  expect(peersOf('w0')?.cause).toBeDefined();
  await watch.stop();
  start();
  expect(peersOf('w0')).toBeUndefined();
  for (let beat = 0; beat < 400; beat++) {
    await beats(1, 90);
    expect(peersOf('w0')?.cause).toBeUndefined();
  }
  await beats(20, 10);
  expect(peersOf('w0')?.cause).toMatchObject({ metric: 'memory_usage', code: ReasonCode.peers, value: 10 });
});

test('a worker in another group is compared with that one, once it is known how far it is from it', async () => {
  const { beats, peersOf, moveTo } = watched();
  moveTo('pool', 'w0');
  // The only one there.
  await beats(500, 90);
  moveTo('rack', 'w0');
  for (let beat = 0; beat < 400; beat++) {
    await beats(1, 90);
    expect(peersOf('w0')?.cause).toBeUndefined();
  }
  await beats(20, 10);
  expect(peersOf('w0')?.cause).toMatchObject({ metric: 'memory_usage', value: 10 });
  // How far it was from its old group says nothing of the new one.
  moveTo('pool', ...IDS);
  await beats(1, 10);
  expect(peersOf('w0')?.cause).toBeUndefined();
});

test('groups that are too small to tell who is odd are left alone', async () => {
  const { beats, peersOf, fleet, directory } = watched();
  for (const id of IDS.slice(4)) fleet.board.setState((directory.get(id) as WorkerEntry).row, 'inactive', 'silence', 0);
  await beats(500, undefined, IDS.slice(0, 4));
  await beats(20, 90, IDS.slice(0, 4));
  expect(peersOf('w0')).toBeUndefined();
});
