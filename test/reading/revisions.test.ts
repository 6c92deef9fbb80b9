import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Directory, type WorkerEntry } from '../../src/reading/directory.ts';
import { MAX_GONE_REMEMBERED } from '../../src/reading/reading-limits.ts';
import { newEpoch, Revisions } from '../../src/reading/revisions.ts';
import { BoardReader } from '../../src/store/board.ts';
import { CHANGES, type ChangeKind, changeOf, make } from '../http/fleet-changes.ts';
import { newFleet } from '../http/support.ts';
import type { RecordWriterData } from '../http/threads/record-writer.ts';
import { MOST_TASKS } from '../http/threads/records.ts';
import { eventually } from '../support/eventually.ts';
import { task } from '../support/fleet.ts';

function newWatchedFleet(rows?: number) {
  const { clock, fleet } = newFleet(rows);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  return { clock, fleet, directory, revisions: new Revisions(directory, 'epoch234') };
}

const idsOf = (entries: Iterable<WorkerEntry>) => Array.from(entries, ({ workerId }) => workerId);

/** The workers that changed after `counter`, in the order of their last changes. */
function changedAfter(revisions: Revisions, counter: number): WorkerEntry[] {
  const { order } = revisions;
  const entries: WorkerEntry[] = [];
  for (let row = order.firstAfter(counter); row !== -1; row = order.next(row))
    entries.push(revisions.entryAt(row) as WorkerEntry);
  return entries;
}

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const change = changeOf(IDS);

/** All that can be told of a worker. */
function pictureOf({ board }: Directory, entry: WorkerEntry): string {
  const { slot, row, facts, lastFault } = entry;
  // The age, too, at a time that stands.
  return JSON.stringify([
    board.view(row, 0),
    slot.json(''),
    slot.numbers() ?? 0,
    slot.lastRejection() ?? 0,
    facts,
    lastFault,
  ]);
}

it('finds what changed, once, in the order of the last change, and who is gone', () => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 5 }), { minLength: 1, maxLength: 25 }), (looks) => {
      const { clock, fleet, directory, revisions } = newWatchedFleet(IDS.length);
      const known = new Set<string>();
      // What the oracle remembers: of each worker how it looked and who it was, and when (by looks) it last differed.
      let before = new Map<string, { entry: WorkerEntry; picture: string }>();
      const changedIn = new Map<string, number>();
      const goneIn: { workerId: string; look: number }[] = [];
      const counters = [0];
      looks.forEach((changes, at) => {
        clock.advance(1_000);
        for (const step of changes) make(step, fleet, known);
        const now = new Map(
          Array.from(directory.all(), (entry) => [entry.workerId, { entry, picture: pictureOf(directory, entry) }]),
        );
        const differing = [...now].filter(([id, { entry, picture }]) => {
          const last = before.get(id);
          return last?.entry.row !== entry.row || last.picture !== picture;
        });
        for (const [id] of differing) changedIn.set(id, at);
        for (const [id, { entry }] of before) {
          if (now.get(id)?.entry.row === entry.row) continue;
          goneIn.push({ workerId: id, look: at });
          if (!now.has(id)) changedIn.delete(id);
        }
        before = now;

        const found = idsOf(revisions.look());
        expect(new Set(found).size).toBe(found.length);
        // What came and went between two looks, or came back with the same looks, may be found beyond what differs.
        expect(found).toEqual(expect.arrayContaining(differing.map(([id]) => id)));
        for (const id of found) changedIn.set(id, at);
        counters.push(revisions.counter);
        expect(revisions.text).toBe(`epoch234-${revisions.counter}`);
        expect(revisions.look()).toEqual([]);
        expect(revisions.counter).toBe(counters.at(-1));

        counters.forEach((counter, look) => {
          const after = idsOf(changedAfter(revisions, counter));
          const wanted = [...changedIn].filter(([, changed]) => changed >= look).map(([id]) => id);
          expect(new Set(after)).toEqual(new Set(wanted));
          expect(after).toHaveLength(wanted.length);
          const revisionsOfThem = after.map((id) => revisions.of(directory.get(id) as WorkerEntry));
          expect(revisionsOfThem).toEqual([...new Set(revisionsOfThem)].sort((a, b) => a - b));
          expect(revisionsOfThem.every((revision) => revision > counter)).toBe(true);
          expect(Array.from(revisions.goneAfter(counter), ({ workerId }) => workerId).sort()).toEqual(
            goneIn
              .filter((gone) => gone.look >= look)
              .map(({ workerId }) => workerId)
              .sort(),
          );
        });
      });
    }),
    { numRuns: 300 },
  );
});

it('finds every change of a row, of its record, of its note and of what is known beside them', () => {
  const { clock, fleet, revisions } = newWatchedFleet();
  fleet.register('a');
  fleet.register('b');
  fleet.publish('a', {});
  revisions.look();
  for (const kind of Object.keys(CHANGES) as ChangeKind[]) {
    if (kind === 'register' || kind === 'vanish') continue;
    clock.advance(1_000);
    make({ kind, id: 'a', n: 7 }, fleet, new Set(['a', 'b']));
    expect(idsOf(revisions.look()), kind).toEqual(kind === 'forget' ? [] : ['a']);
  }
  expect(Array.from(revisions.goneAfter(0))).toMatchObject([{ workerId: 'a', at: revisions.counter }]);
});

const STEPS: Record<string, (fleet: ReturnType<typeof newWatchedFleet>['fleet'], row: number) => void> = {
  suspect: ({ board }, row) => board.setState(row, 'suspect', 'silence', 0),
  active: ({ board }, row) => board.setState(row, 'active', 'heartbeat', 0),
  'since later': ({ board }, row) => board.setState(row, 'active', 'heartbeat', 5_000),
  flapping: ({ board }, row) => board.setFlag(row, 'flapping', true),
  steady: ({ board }, row) => board.setFlag(row, 'flapping', false),
  stuck: ({ board }, row) => board.setStuck(row, 'tasks'),
  free: ({ board }, row) => board.setStuck(row, undefined),
  slower: ({ board }, row) => board.setInterval(row, 9_000),
  faster: ({ board }, row) => board.setInterval(row, 1_000),
  'lane starts': ({ board }, row) => board.setLane(row, { number: 1, kind: 'shared', state: 'starting', restarts: 1 }),
  'lane ready': ({ board }, row) => board.setLane(row, { number: 1, kind: 'shared', state: 'ready', restarts: 1 }),
  ahead: (fleet, row) => {
    fleet.board.setSkew(row, 7);
    fleet.accept('a');
  },
  behind: (fleet, row) => {
    fleet.board.setSkew(row, -7);
    fleet.accept('a');
  },
};

it.each([
  ['suspect', 'active'],
  ['since later', 'active'],
  ['flapping', 'steady'],
  ['stuck', 'free'],
  ['slower', 'faster'],
  ['lane starts', 'lane ready'],
  ['ahead', 'behind'],
])('tells a change there and back, %s and %s, from one change, also of one who goes then', (there, back) => {
  const { fleet, revisions } = newWatchedFleet();
  fleet.register('a');
  const row = fleet.rowOf('a');
  const change = (name: string) => (STEPS[name] as (typeof STEPS)[string])(fleet, row);
  change('active');
  change(back);
  revisions.look();
  const first = revisions.order.at(row);
  change(there);
  // Told again, it is no change.
  if (there !== 'ahead') change(there);
  revisions.look();
  const second = revisions.order.at(row);
  expect([revisions.changeBefore(row), second]).toEqual([first, first + 1]);
  change(back);
  change(there);
  revisions.look();
  const third = revisions.order.at(row);
  expect([revisions.changeBefore(row), third]).toEqual([third, second + 1]);
  change(back);
  fleet.forget('a');
  fleet.register('next');
  expect(fleet.rowOf('next')).toBe(row);
  revisions.look();
  expect([...revisions.goneAfter(third)]).toMatchObject([{ workerId: 'a', at: third + 1, before: third + 1 }]);
});

it('takes what is known beside memory for changed several times, whose changes nobody counts', () => {
  const { fleet, revisions } = newWatchedFleet();
  fleet.register('a');
  revisions.look();
  for (const isolation of ['dedicated', 'auto'] as const) {
    fleet.onAnnounce([{ type: 'isolation', workerId: 'a', isolation }]);
  }
  expect(idsOf(revisions.look())).toEqual(['a']);
  expect(revisions.changeBefore(fleet.rowOf('a'))).toBe(revisions.counter);
});

it('one who left one row for another is there in the end', () => {
  const { fleet, revisions } = newWatchedFleet(3);
  for (const id of ['x', 'y', 'a']) fleet.register(id);
  revisions.look();
  const before = revisions.counter;
  fleet.forget('a');
  fleet.forget('x');
  fleet.register('a');
  fleet.register('x');
  revisions.look();
  const events = [
    ...Array.from(revisions.goneAfter(before), ({ workerId, at }) => ({ at, text: `-${workerId}` })),
    ...Array.from(changedAfter(revisions, before), (entry) => ({ at: revisions.of(entry), text: entry.workerId })),
  ].sort((left, right) => left.at - right.at);
  expect(events.map(({ text }) => text).sort()).toEqual(['-a', '-x', 'a', 'x']);
  for (const id of ['a', 'x']) {
    expect(events.findIndex(({ text }) => text === id)).toBeGreaterThan(
      events.findIndex(({ text }) => text === `-${id}`),
    );
  }
});

it('forgets the oldest of those that are gone, and says up to where', () => {
  const { fleet, revisions } = newWatchedFleet(2);
  const come = (id: string) => {
    fleet.register(id);
    revisions.look();
    fleet.forget(id);
    revisions.look();
  };
  for (let n = 0; n < MAX_GONE_REMEMBERED; n++) come(`w${n}`);
  expect(revisions.horizon).toBe(0);
  expect([...revisions.goneAfter(0)]).toHaveLength(MAX_GONE_REMEMBERED);
  come('one more');
  // w0 came at 1 and went at 2.
  expect(revisions.horizon).toBe(2);
  const remembered = Array.from(revisions.goneAfter(0), ({ workerId }) => workerId);
  expect(remembered).toHaveLength(MAX_GONE_REMEMBERED);
  expect([remembered[0], remembered.at(-1)]).toEqual(['w1', 'one more']);
  expect(Array.from(revisions.goneAfter(revisions.counter - 1), ({ workerId }) => workerId)).toEqual(['one more']);
});

it('epochs differ', () => {
  const epochs = Array.from({ length: 100 }, newEpoch);
  expect(new Set(epochs).size).toBe(100);
  for (const epoch of epochs) expect(epoch).toMatch(/^[a-z2-7]{8}$/);
});

const LOOKS = 3_000;

it('what is written after a look is found by the next, while a thread writes as fast as it can', async () => {
  const { fleet, directory, revisions } = newWatchedFleet();
  const ids = ['a', 'b', 'c'];
  for (const id of ids) {
    fleet.register(id);
    fleet.publish(id, { runningTasks: Array.from({ length: MOST_TASKS + 1 }, (_, i) => task(`task ${i}`)) });
  }
  const slots = Array.from(directory.all(), ({ workerId, row, slot }) => ({ workerId, row, memory: slot.memory }));
  const { publications } = fleet.memory;
  const workerData: RecordWriterData = { slots, publications };
  const writer = new Worker(new URL('../http/threads/record-writer.ts', import.meta.url), { workerData });
  const told = new Map<string, number>();
  const tell = () => {
    for (const { workerId, slot } of revisions.look()) told.set(workerId, slot.numbers()?.ordinal ?? 0);
  };
  for (let looks = 0; looks < LOOKS || (told.get('c') ?? 0) < 2; looks++) {
    tell();
    if (looks % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    // What was told may be old by now, but not older than what was there when it was looked for.
    const there = new Map(
      Array.from(directory.all(), ({ workerId, slot }) => [workerId, slot.numbers()?.ordinal ?? 0]),
    );
    tell();
    const isTold = () => ids.every((id) => (told.get(id) as number) >= (there.get(id) as number));
    // A record is there a moment before it is counted; the writer may have to wait for a processor in between.
    if (!isTold()) {
      await eventually(() => {
        tell();
        return isTold();
      });
    }
  }
  await writer.terminate();
  // As main does for a thread that has ended.
  for (const { row } of directory.all()) fleet.board.publications.add(row);
  tell();
  for (const { workerId, slot } of directory.all()) expect(told.get(workerId)).toBe(slot.numbers()?.ordinal);
});
