/**
 * Where a worker is: one named state, changed by {@link nextPlace} alone. `place.lane` is the lane that may write the worker's
 * slot; it stays so until that lane has said that it will not touch the slot again, or its thread is dead: a slot has one
 * writer. `place.own` is the lane that is kept for this worker alone; it may still be on its way up while a shared lane
 * serves the worker.
 *
 * | place      | the worker                                                                 | its way out                  |
 * |------------|----------------------------------------------------------------------------|------------------------------|
 * | new        | has no lane yet                                                            | assigned                     |
 * | shared     | is served with others                                                      | ownLaneReady, sent           |
 * | penalty    | is served with others that failed, apart from those that did no harm       | ownLaneReady, sent when it   |
 * |            |                                                                            | was clean for long enough    |
 * | dedicated  | is served by its own lane, or waits for that lane's next thread            | sent, quarantined, evicted   |
 * | quarantine | keeps its own lane, which has no thread                                    | released, evicted            |
 * | moving     | was told off one lane and goes to `to` when that lane has left it          | left                         |
 * | gone       | is forgotten                                                               | none: nothing changes it     |
 *
 * | event        | new      | shared, penalty         | dedicated           | quarantine   | moving                               |
 * |--------------|----------|-------------------------|---------------------|--------------|--------------------------------------|
 * | assigned     | as told  | –                       | –                   | –            | –                                    |
 * | ownLaneGiven | –        | the same, with `own`    | –                   | –            | the same, with `own`                 |
 * | ownLaneReady | –        | moving to `own`         | –                   | –            | to `own`, unless to quarantine there |
 * | sent         | –        | moving                  | moving              | moving       | to the new destination               |
 * | quarantined  | –        | moving to quarantine    | quarantine          | –            | to quarantine                        |
 * | released     | –        | –                       | –                   | dedicated    | to dedicated, if to quarantine       |
 * | evicted      | –        | moving, `own` ends      | moving, `own` ends  | the same     | to the new destination, `own` ends   |
 * | overTime     | –        | moving to where it is   | –                   | –            | the same, over time                  |
 * | charged      | –        | –                       | –                   | –            | the same, no longer over time        |
 * | left         | –        | –                       | –                   | –            | what it was on its way to            |
 * | forgotten    | gone     | gone, `own` ends        | gone, `own` ends    | the same     | gone, `own` ends                     |
 *
 * Quarantined with another lane than `own` takes that one in its stead, and `own` ends; quarantined with the `own` that it is
 * not on its way to changes nothing yet. A lane that the worker is still on ends when it has left it.
 */

/** Where a worker is when nothing is under way. */
export type SettledAt = 'shared' | 'penalty' | 'dedicated' | 'quarantine';

export interface Destination<L> {
  readonly at: SettledAt;
  readonly lane: L;
}

export type SettledPlace<L> =
  | { readonly at: 'shared'; readonly lane: L; readonly own: L | undefined }
  /** `sinceMs`: when it came, in monotonic time. */
  | { readonly at: 'penalty'; readonly lane: L; readonly own: L | undefined; readonly sinceMs: number }
  | { readonly at: 'dedicated' | 'quarantine'; readonly lane: L; readonly own: L };

export interface MovingPlace<L> {
  readonly at: 'moving';
  /** The lane that it leaves. */
  readonly lane: L;
  /** Where it was on that lane. */
  readonly from: SettledAt;
  /** May be where it was: it then comes back. */
  readonly to: Destination<L>;
  readonly own: L | undefined;
  /** It leaves since it seems to take too much of its lane's time: that is known when it has left. */
  readonly isOverTime: boolean;
}

/** It has a lane. */
type Placed<L> = SettledPlace<L> | MovingPlace<L>;

export type WorkerPlace<L> =
  | Placed<L>
  | { readonly at: 'new'; readonly lane: undefined; readonly own: undefined }
  | { readonly at: 'gone'; readonly lane: undefined; readonly own: undefined };

export const NEW_PLACE = { at: 'new', lane: undefined, own: undefined } as const;
const GONE = { at: 'gone', lane: undefined, own: undefined } as const;

export type PlaceEvent<L> =
  /** A newcomer is served. `own`: the lane that is started for it meanwhile. */
  | { readonly type: 'assigned'; readonly to: Destination<L>; readonly own: L | undefined }
  /** A lane of its own will be started for it. */
  | { readonly type: 'ownLaneGiven'; readonly own: L }
  /** That lane takes heartbeats. */
  | { readonly type: 'ownLaneReady'; readonly own: L }
  /** Another lane is to serve it. A dedicated one becomes its own. */
  | { readonly type: 'sent'; readonly to: Destination<L> }
  /** This lane, its own from now on, has no thread. */
  | { readonly type: 'quarantined'; readonly own: L }
  /** Its quarantine is over, and its lane is to be started. */
  | { readonly type: 'released' }
  /** Its lane's place is another worker's. */
  | { readonly type: 'evicted'; readonly to: Destination<L> }
  /** It seems to take more of its lane's time than it may. */
  | { readonly type: 'overTime' }
  /** It was charged with a failure: for what it did until now, it is not charged again. */
  | { readonly type: 'charged' }
  /** The lane that it was told off will not touch its slot again. */
  | { readonly type: 'left' }
  | { readonly type: 'forgotten' };

/** What is to be done, in this order. */
export type PlaceEffect<L> =
  /** The lane is to leave the worker's next heartbeats where they are. */
  | { readonly do: 'hold'; readonly lane: L }
  /** The lane is to leave the worker, and `left` follows. */
  | { readonly do: 'leave'; readonly lane: L }
  /** The lane serves the worker from now on, with what its mailbox holds. */
  | { readonly do: 'serve'; readonly lane: L }
  /** The lane is nobody's any more. */
  | { readonly do: 'end'; readonly lane: L };

export interface NextPlace<L> {
  readonly place: WorkerPlace<L>;
  readonly effects: readonly PlaceEffect<L>[];
}

/** @param nowMs monotonic */
export function nextPlace<L>(place: WorkerPlace<L>, event: PlaceEvent<L>, nowMs: number): NextPlace<L> {
  if (place.at === 'gone') return unchanged<L>(place);
  if (event.type === 'forgotten') return { place: GONE, effects: [...leaving(place), ...endsOf(place, undefined)] };
  if (place.at === 'new') return event.type === 'assigned' ? arrived(event.to, event.own, nowMs) : unchanged<L>(place);
  switch (event.type) {
    case 'assigned':
      return unchanged(place);
    case 'ownLaneGiven':
      return given(place, event.own);
    case 'ownLaneReady':
      return isDrawnTo(place, event.own) ? going(place, dedicated(event.own), event.own) : unchanged(place);
    case 'sent':
      return going(place, event.to, event.to.at === 'dedicated' ? event.to.lane : place.own);
    case 'quarantined':
      return quarantined(place, event.own);
    case 'released':
      return released(place);
    case 'evicted':
      return going(place, event.to, undefined);
    case 'overTime':
      return overTime(place);
    case 'charged':
      return place.at === 'moving' ? { place: { ...place, isOverTime: false }, effects: [] } : unchanged(place);
    case 'left':
      return place.at === 'moving' ? left(place, nowMs) : unchanged(place);
    default:
      event satisfies never;
      return unchanged(place);
  }
}

function unchanged<L>(place: WorkerPlace<L>): NextPlace<L> {
  return { place, effects: [] };
}

function dedicated<L>(lane: L): Destination<L> {
  return { at: 'dedicated', lane };
}

function given<L>(place: Placed<L>, own: L): NextPlace<L> {
  if (place.at === 'dedicated' || place.at === 'quarantine' || place.own !== undefined) return unchanged(place);
  return { place: { ...place, own }, effects: [] };
}

/** On its way to a destination, whether it sets out or was under way already. */
function going<L>(place: Placed<L>, to: Destination<L>, own: L | undefined): NextPlace<L> {
  const { lane } = place;
  const effects = [...leaving(place), ...endsOf(place, own).filter((end) => end.lane !== lane)];
  if (place.at === 'moving') return { place: { ...place, to, own }, effects };
  return { place: { at: 'moving', lane, from: place.at, to, own, isOverTime: false }, effects };
}

/** One under way has been told already. */
function leaving<L>(place: WorkerPlace<L>): PlaceEffect<L>[] {
  const { lane } = place;
  return lane === undefined || place.at === 'moving' ? [] : [{ do: 'leave', lane }];
}

/** The lanes of its own that it has no more, if `kept` is all that it keeps. */
function endsOf<L>(place: WorkerPlace<L>, kept: L | undefined): PlaceEffect<L>[] {
  const lanes = new Set([place.own, isLeavingOwn(place) ? place.lane : undefined]);
  return [...lanes].flatMap((lane) => (lane === undefined || lane === kept ? [] : [{ do: 'end', lane }]));
}

function isLeavingOwn<L>(place: WorkerPlace<L>): boolean {
  return place.at === 'moving' && (place.from === 'dedicated' || place.from === 'quarantine');
}

/** Whether its own lane, which is up, is where it should be and is not on its way to. */
function isDrawnTo<L>(place: Placed<L>, own: L): boolean {
  if (place.own !== own) return false;
  return place.at === 'moving' ? place.to.lane !== own : place.lane !== own;
}

function quarantined<L>(place: Placed<L>, own: L): NextPlace<L> {
  const to: Destination<L> = { at: 'quarantine', lane: own };
  if (place.own !== own) return going(place, to, own);
  // The lane of its own has lost its thread for a while.
  if (place.at === 'moving') return place.to.lane === own ? { place: { ...place, to }, effects: [] } : unchanged(place);
  return place.at === 'dedicated' ? { place: { ...place, at: 'quarantine' }, effects: [] } : unchanged(place);
}

function released<L>(place: Placed<L>): NextPlace<L> {
  if (place.at === 'quarantine') return { place: { ...place, at: 'dedicated' }, effects: [] };
  if (place.at !== 'moving' || place.to.at !== 'quarantine') return unchanged(place);
  return { place: { ...place, to: dedicated(place.to.lane) }, effects: [] };
}

function overTime<L>(place: Placed<L>): NextPlace<L> {
  const { at, lane } = place;
  const hold = { do: 'hold', lane } as const;
  if (at === 'moving') return { place: { ...place, isOverTime: true }, effects: [hold] };
  if (at === 'dedicated' || at === 'quarantine') return unchanged(place);
  const { place: moving, effects } = going(place, { at, lane }, place.own);
  return { place: { ...(moving as MovingPlace<L>), isOverTime: true }, effects: [hold, ...effects] };
}

function left<L>(place: MovingPlace<L>, nowMs: number): NextPlace<L> {
  const { place: next, effects } = arrived(place.to, place.own, nowMs);
  const isGivenUp = isLeavingOwn(place) && next.own !== place.lane;
  return { place: next, effects: isGivenUp ? [...effects, { do: 'end', lane: place.lane }] : effects };
}

function arrived<L>({ at, lane }: Destination<L>, own: L | undefined, nowMs: number): NextPlace<L> {
  const effects = [{ do: 'serve', lane } as const];
  if (at === 'shared') return { place: { at, lane, own }, effects };
  if (at === 'penalty') return { place: { at, lane, own, sinceMs: nowMs }, effects };
  return { place: { at, lane, own: lane }, effects };
}
