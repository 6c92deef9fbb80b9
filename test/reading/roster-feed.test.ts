/** Threads that begin, die and begin again while workers come, change and go: without threads, turn by turn. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Announcement, announcementsOf, Directory } from '../../src/reading/directory.ts';
import { ROSTER_PART } from '../../src/reading/reading-limits.ts';
import { RosterFeed, rosterParts } from '../../src/reading/roster-feed.ts';
import { BoardReader } from '../../src/store/board.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

const FACTS = { labels: {}, totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0 };
const MORE_FACTS = { ip: '', ephemeral: false, instanceId: '', agentVersion: '' };

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** Memory is the same or it is not, whatever is in it. */
function numberOf(memory: object): number {
  const number = numbers.get(memory) ?? ++lastNumber;
  numbers.set(memory, number);
  return number;
}

/** All that a reader was told of workers, whatever main's board says by now, so that two readers can be compared. */
function knownTo(directory: Directory): unknown {
  const entries = directory.rows.filter((entry) => entry !== undefined);
  return {
    workers: new Map(
      entries.map(({ slot, ...entry }) => [entry.workerId, { ...entry, memory: numberOf(slot.memory) }]),
    ),
    size: directory.size,
    events: directory.events.all(),
  };
}

type Heard = { readonly items: readonly Announcement[] } | { readonly fedKnowing: unknown };

/** One life of a thread, and what is on its way to it. */
class Life {
  readonly directory: Directory;
  readonly told: Announcement[] = [];
  readonly onItsWay: Heard[] = [];

  constructor(main: Main, how: 'whole' | 'in parts') {
    this.directory = new Directory(main.directory.board);
    // Events are not told by parts: such a thread knows them from the start.
    if (how === 'whole') return;
    for (const event of main.directory.events.all()) this.directory.events.add(event);
  }

  /** The thread takes the next message. */
  hear(): void {
    const heard = this.onItsWay.shift();
    if (heard === undefined) return;
    // A question that was asked then would be answered by this.
    if ('fedKnowing' in heard) expect(knownTo(this.directory)).toEqual(heard.fedKnowing);
    else {
      for (const item of heard.items) this.directory.apply(item);
      this.told.push(...heard.items);
    }
  }
}

/** Where one thread after the other is. */
class Place {
  readonly feed: RosterFeed;
  life: Life | undefined;

  constructor(main: Main) {
    this.feed = new RosterFeed({
      tell: (items) => this.life?.onItsWay.push({ items }),
      onFed: () => this.life?.onItsWay.push({ fedKnowing: knownTo(main.directory) }),
      nextTurn: (fn) => main.turns.push(fn),
    });
  }
}

class Main {
  readonly fleet: Fleet;
  readonly directory: Directory;
  readonly turns: (() => void)[] = [];
  readonly announced = new Set<Announcement>();
  readonly #places = [new Place(this), new Place(this), new Place(this)] as const;
  #happenings = 0;

  constructor() {
    const clock = new FakeClock();
    this.fleet = new Fleet(clock);
    this.directory = new Directory(new BoardReader(this.fleet.memory));
    this.fleet.onAnnounce = (items) => this.#announce(items);
  }

  change(what: 'come' | 'go' | 'grow' | 'describe' | 'charge' | 'happen', workerId: string): void {
    const isThere = this.directory.get(workerId) !== undefined;
    if (what === 'happen') {
      const event = { id: ++this.#happenings, atUnixMs: 1, type: 'worker_registered', workerId } as never;
      this.#announce([{ type: 'events', events: [event] }]);
    } else if (what === 'come') {
      if (!isThere) this.fleet.register(workerId);
    } else if (!isThere) {
      return;
    } else if (what === 'go') {
      this.fleet.forget(workerId);
    } else if (what === 'grow') {
      this.fleet.beat(workerId, { metrics: new Map([['m'.repeat(1000 * 2 ** (this.#happenings++ % 4)), 1]]) });
    } else if (what === 'describe') {
      const facts = { ...FACTS, ...MORE_FACTS, group: `g${this.#happenings++}` };
      this.#announce([{ type: 'workerFacts', workerId, facts }]);
    } else {
      this.#announce([{ type: 'laneFault', workerId, fault: { reason: `f${this.#happenings++}` } as never }]);
    }
  }

  /** A thread begins; one that was there is dead. */
  begin(at: number, how: 'whole' | 'in parts'): void {
    this.die(at);
    const place = this.#places[at] as Place;
    place.life = new Life(this, how);
    place.feed.begin(how === 'whole' ? [this.#roster()] : rosterParts(this.directory, 2));
  }

  die(at: number): void {
    const place = this.#places[at] as Place;
    place.feed.end();
    place.life = undefined;
  }

  turn(): void {
    this.turns.shift()?.();
  }

  hear(at: number): void {
    this.#places[at]?.life?.hear();
  }

  /** Everything that is under way comes to its end. @returns those who live */
  settle(): Life[] {
    while (this.turns.length > 0) this.turn();
    const lives = this.#places.flatMap(({ life, feed }) => {
      expect(feed.isFed).toBe(life !== undefined);
      return life ?? [];
    });
    for (const life of lives) while (life.onItsWay.length > 0) life.hear();
    return lives;
  }

  #roster(): Announcement[] {
    return [
      ...Array.from(this.directory.all()).flatMap(announcementsOf),
      { type: 'events', events: this.directory.events.all() },
    ];
  }

  #announce(items: readonly Announcement[]): void {
    for (const item of items) {
      this.directory.apply(item);
      this.announced.add(item);
    }
    for (const { feed } of this.#places) feed.announce(items);
  }
}

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const ids = fc.constantFrom(...IDS);
const places = fc.nat({ max: 2 });
const changes = fc.constantFrom('come', 'come', 'go', 'grow', 'describe', 'charge', 'happen');
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('change'), ids, changes) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('begin'), places, fc.constantFrom('whole', 'in parts')) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('die'), places) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('turn')) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('hear'), places) },
);

test('whatever happens in which order, each thread knows in the end what main knows, and hears nothing twice', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 120 }), (all) => {
      const main = new Main();
      for (const id of IDS) main.change('come', id);
      for (const step of all) {
        if (step[0] === 'change') main.change(step[2] as never, step[1] as string);
        else if (step[0] === 'begin') main.begin(step[1] as number, step[2] as never);
        else if (step[0] === 'die') main.die(step[1] as number);
        else if (step[0] === 'hear') main.hear(step[1] as number);
        else main.turn();
      }
      for (const { directory, told } of main.settle()) {
        expect(knownTo(directory)).toEqual(knownTo(main.directory));
        const announced = told.filter((item) => main.announced.has(item));
        expect(announced).toHaveLength(new Set(announced).size);
      }
    }),
    { numRuns: 500 },
  );
});

test('a part is read when it is told, and nobody is told of those who went before', () => {
  const main = new Main();
  for (const id of ['a', 'b', 'c', 'd']) main.change('come', id);
  main.begin(0, 'in parts');
  main.change('go', 'c');
  main.change('grow', 'd');
  const [life] = main.settle();
  expect(life?.told.map((item) => ('workerId' in item ? `${item.type} ${item.workerId}` : item.type))).toEqual([
    'slotAdded a',
    'slotAdded b',
    'slotGone c',
    'slotGrown d',
    'slotAdded d',
  ]);
});

test('a thread that died while it was told is told no more, and the next one everything', () => {
  const main = new Main();
  for (let i = 0; i < 5; i++) main.change('come', `worker-${i}`);
  main.begin(0, 'in parts');
  main.begin(0, 'in parts');
  expect(main.turns).toHaveLength(2);
  const [life] = main.settle();
  expect(life?.told).toHaveLength(5);
});

test('parts are small, and all of them together are everybody', () => {
  const main = new Main();
  expect([...rosterParts(main.directory)]).toEqual([]);
  const fleet = new Fleet(new FakeClock(), 2 * ROSTER_PART);
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  for (let i = 0; i <= ROSTER_PART; i++) fleet.register(`worker-${i}`);
  expect(Array.from(rosterParts(directory), (part) => part.length)).toEqual([ROSTER_PART, 1]);
});
