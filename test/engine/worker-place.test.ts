import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLEAN_AFTER_MS, isCleanAgain, NO_FAULTS } from '../../src/engine/lanes/fault-history.ts';
import {
  type Destination,
  NEW_PLACE,
  nextPlace,
  type PlaceEvent,
  type SettledAt,
  type WorkerPlace,
} from '../../src/engine/lanes/worker-place.ts';

type Place = WorkerPlace<string>;

describe('where a worker goes', () => {
  const places: Readonly<Record<Place['at'], Place>> = {
    new: NEW_PLACE,
    shared: { at: 'shared', lane: 's', own: 'o' },
    penalty: { at: 'penalty', lane: 'p', own: 'o', sinceMs: 0 },
    dedicated: { at: 'dedicated', lane: 'o', own: 'o' },
    quarantine: { at: 'quarantine', lane: 'o', own: 'o' },
    moving: {
      at: 'moving',
      lane: 's',
      from: 'shared',
      to: { at: 'quarantine', lane: 'o' },
      own: 'o',
      isOverTime: false,
    },
    gone: { at: 'gone', lane: undefined, own: undefined },
  };
  const other = { at: 'shared', lane: 't' } as const;

  // What follows in the places above, in their order; "." is no change at all.
  test.each<[event: PlaceEvent<string>, next: string]>([
    [{ type: 'assigned', to: other, own: undefined }, 'shared . . . . . .'],
    [{ type: 'ownLaneGiven', own: 'x' }, '. . . . . . .'],
    [{ type: 'ownLaneReady', own: 'o' }, '. moving→dedicated moving→dedicated . . . .'],
    [{ type: 'ownLaneReady', own: 'x' }, '. . . . . . .'],
    [{ type: 'sent', to: other }, '. moving→shared moving→shared moving→shared moving→shared moving→shared .'],
    [
      { type: 'sent', to: { at: 'dedicated', lane: 'o' } },
      '. moving→dedicated moving→dedicated moving→dedicated moving→dedicated moving→dedicated .',
    ],
    [{ type: 'quarantined', own: 'o' }, '. . . quarantine . moving→quarantine .'],
    [
      { type: 'quarantined', own: 'x' },
      '. moving→quarantine moving→quarantine moving→quarantine moving→quarantine moving→quarantine .',
    ],
    [{ type: 'released' }, '. . . . dedicated moving→dedicated .'],
    [{ type: 'evicted', to: other }, '. moving→shared moving→shared moving→shared moving→shared moving→shared .'],
    [{ type: 'overTime' }, '. moving→shared moving→penalty . . moving→quarantine .'],
    [{ type: 'charged' }, '. . . . . moving→quarantine .'],
    [{ type: 'left' }, '. . . . . quarantine .'],
    [{ type: 'forgotten' }, 'gone gone gone gone gone gone .'],
  ])('by %o', (event, next) => {
    const after = Object.values(places).map((place) => {
      const { place: found } = nextPlace(place, event, 0);
      if (found === place) return '.';
      return found.at === 'moving' ? `moving→${found.to.at}` : found.at;
    });
    expect(after.join(' ')).toBe(next);
  });
});

interface ModelLane {
  readonly kind: SettledAt;
  /** It serves the worker. */
  serves: boolean;
  /** It was told to leave the worker and has not said that it has. */
  isLeaving: boolean;
  /** It leaves the worker's heartbeats where they are. */
  isHeld: boolean;
  isEnded: boolean;
}

/** A worker and the lanes around it: does what it is told as the pool does, and looks whether that may be. */
class Model {
  place: Place = NEW_PLACE;
  nowMs = 0;
  accepted = 0;
  applied = 0;
  readonly #lanes = new Map<string, ModelLane>();
  #servedMs = 0;

  constructor() {
    for (const name of ['shared 1', 'shared 2']) this.#lanes.set(name, newLane('shared'));
    for (const name of ['penalty 1', 'penalty 2']) this.#lanes.set(name, newLane('penalty'));
  }

  newOwn(): string {
    const name = `own ${this.#lanes.size}`;
    this.#lanes.set(name, newLane('dedicated'));
    return name;
  }

  happens(event: PlaceEvent<string>): void {
    const { place, effects } = nextPlace(this.place, event, this.nowMs);
    this.place = place;
    for (const effect of effects) {
      const lane = this.#lane(effect.lane);
      expect(lane.isEnded).toBe(false);
      if (effect.do === 'hold') lane.isHeld = true;
      else if (effect.do === 'leave') {
        expect(lane.serves).toBe(true);
        lane.serves = false;
        lane.isLeaving = true;
      } else if (effect.do === 'serve') {
        expect(this.#writers()).toEqual([]);
        lane.serves = true;
        lane.isHeld = false;
        this.#servedMs = this.nowMs;
      } else {
        // Nothing is in hand that could be lost, but of a worker that is forgotten.
        if (place.at !== 'gone') expect(lane.serves || lane.isLeaving).toBe(false);
        lane.isEnded = true;
        lane.isLeaving = false;
      }
    }
    this.#mustHold();
  }

  /** The lane has left it, as far as one was told to. */
  leaves(): void {
    const lane = [...this.#lanes.values()].find(({ isLeaving }) => isLeaving);
    if (lane === undefined) return;
    lane.isLeaving = false;
    this.happens({ type: 'left' });
  }

  /** Its lane does what it was given, if it may and can. */
  works(): void {
    const { at, lane } = this.place;
    if (lane === undefined || at === 'quarantine') return;
    const { serves, isHeld } = this.#lane(lane);
    if (serves && !isHeld) this.applied = this.accepted;
  }

  #lane(name: string): ModelLane {
    const lane = this.#lanes.get(name);
    if (lane === undefined) throw new Error(`there is no lane ${name}`);
    return lane;
  }

  #writers(): string[] {
    return [...this.#lanes].filter(([, { serves, isLeaving }]) => serves || isLeaving).map(([name]) => name);
  }

  #mustHold(): void {
    const { place } = this;
    const writers = this.#writers();
    expect(writers.length).toBeLessThanOrEqual(1);
    const ownAlive = [...this.#lanes].filter(([, { kind, isEnded }]) => kind === 'dedicated' && !isEnded);
    const ownNames = ownAlive.map(([name]) => name);
    if (place.lane === undefined) {
      if (place.at === 'gone') expect(ownNames).toEqual([]);
      return;
    }
    // Who may write its slot is what the place says; whoever is settled is served.
    expect(writers).toEqual([place.lane]);
    const lane = this.#lane(place.lane);
    if (place.at !== 'moving') expect([lane.serves, lane.isHeld]).toEqual([true, false]);
    // Where it is on its way to is there when it comes.
    if (place.at === 'moving') expect(this.#lane(place.to.lane).isEnded).toBe(false);
    // No lane of its own is forgotten about, and none is left over.
    const leftOwn = place.at === 'moving' && lane.kind === 'dedicated' ? [place.lane] : [];
    expect(new Set(ownNames)).toEqual(new Set([...(place.own === undefined ? [] : [place.own]), ...leftOwn]));
    if (place.at === 'penalty') expect(place.sinceMs).toBe(this.#servedMs);
  }
}

function newLane(kind: SettledAt): ModelLane {
  return { kind, serves: false, isLeaving: false, isHeld: false, isEnded: false };
}

const shared: fc.Arbitrary<Destination<string>> = fc.constantFrom(
  { at: 'shared', lane: 'shared 1' },
  { at: 'shared', lane: 'shared 2' },
  { at: 'penalty', lane: 'penalty 1' },
  { at: 'penalty', lane: 'penalty 2' },
);

/** What may happen to a worker, by the rules of those who cause it. */
const happening: fc.Arbitrary<(model: Model) => void> = fc.oneof(
  { weight: 4, arbitrary: fc.constant((model: Model) => model.leaves()) },
  { weight: 2, arbitrary: fc.constant((model: Model) => void model.accepted++) },
  { weight: 2, arbitrary: fc.constant((model: Model) => model.works()) },
  fc.nat(CLEAN_AFTER_MS).map((passedMs) => (model: Model) => {
    model.nowMs += passedMs;
  }),
  { weight: 3, arbitrary: shared.map((to) => (model: Model) => model.happens({ type: 'sent', to })) },
  shared.map((to) => (model: Model) => model.happens({ type: 'evicted', to })),
  fc.constant((model: Model) => {
    if (model.place.at !== 'new' && model.place.at !== 'gone') {
      model.happens({ type: 'sent', to: { at: 'dedicated', lane: model.place.own ?? model.newOwn() } });
    }
  }),
  fc.constant((model: Model) => {
    if (model.place.lane !== undefined && model.place.own === undefined)
      model.happens({ type: 'ownLaneGiven', own: model.newOwn() });
  }),
  fc.constant((model: Model) => {
    if (model.place.own !== undefined) model.happens({ type: 'ownLaneReady', own: model.place.own });
  }),
  // One that was given up may still come up.
  fc.constant((model: Model) => model.happens({ type: 'ownLaneReady', own: 'another' })),
  fc.boolean().map((isNew) => (model: Model) => {
    const { lane, own } = model.place;
    if (lane !== undefined)
      model.happens({ type: 'quarantined', own: isNew ? model.newOwn() : (own ?? model.newOwn()) });
  }),
  ...(['released', 'overTime', 'charged'] as const).map((type) =>
    fc.constant((model: Model) => model.happens({ type })),
  ),
);

/** A worker that was assigned, and to which all this has happened. */
function lived(model: Model, way: 'shared' | 'own' | 'own later', steps: readonly ((model: Model) => void)[]): void {
  const own = way === 'shared' ? undefined : model.newOwn();
  const to =
    way === 'own' ? ({ at: 'dedicated', lane: own as string } as const) : ({ at: 'shared', lane: 'shared 1' } as const);
  model.happens({ type: 'assigned', to, own });
  for (const step of steps) step(model);
}

const ways = fc.constantFrom('shared' as const, 'own' as const, 'own later' as const);
const lives = fc.array(happening, { maxLength: 60, size: 'max' });

test('at most one lane may write a worker’s slot, and no dedicated lane is left over', () => {
  fc.assert(
    fc.property(ways, lives, lives, (way, before, after) => {
      const model = new Model();
      lived(model, way, before);
      model.happens({ type: 'forgotten' });
      expect(model.place.at).toBe('gone');
      // Whatever comes late changes nothing.
      for (const step of after) step(model);
      expect(model.place.at).toBe('gone');
    }),
    { numRuns: 1000 },
  );
});

test('from any place, a worker returns to a shared lane, where all its accepted heartbeats are processed', () => {
  fc.assert(
    fc.property(ways, lives, (way, steps) => {
      const model = new Model();
      lived(model, way, steps);
      model.accepted++;
      model.leaves();
      // Its time in quarantine or on the penalty lane is over.
      if (model.place.at === 'quarantine') model.happens({ type: 'released' });
      if (model.place.at === 'penalty') {
        expect(isCleanAgain(NO_FAULTS, model.place.sinceMs, model.nowMs + CLEAN_AFTER_MS)).toBe(true);
      }
      if (model.place.at !== 'shared') model.happens({ type: 'sent', to: { at: 'shared', lane: 'shared 2' } });
      model.leaves();
      expect(model.place.at).toBe('shared');
      model.works();
      expect(model.applied).toBe(model.accepted);
    }),
    { numRuns: 1000 },
  );
});

test('a worker whose own lane is ready is served by it, unless something else happened since', () => {
  fc.assert(
    fc.property(ways, lives, (way, steps) => {
      const model = new Model();
      lived(model, way, steps);
      if (model.place.own === undefined) model.happens({ type: 'ownLaneGiven', own: model.newOwn() });
      const { own } = model.place;
      model.happens({ type: 'released' });
      model.happens({ type: 'ownLaneReady', own: own as string });
      model.leaves();
      expect(model.place).toMatchObject({ at: 'dedicated', lane: own });
    }),
    { numRuns: 1000 },
  );
});
