/**
 * The place of a worker: one named state, changed only by {@link nextPlace}. `place.lane` is the lane that may write
 * the worker's slot, until that lane has confirmed that it no longer accesses the slot, or its thread is dead: a slot
 * has one writer. `place.own` is the dedicated lane of the worker, which may still be starting while a shared lane
 * serves it.
 *
 * | place      | the worker                                                                 | left by                      |
 * |------------|----------------------------------------------------------------------------|------------------------------|
 * | new        | has no lane yet                                                            | assigned                     |
 * | shared     | is on a shared lane                                                        | ownLaneReady, sent           |
 * | penalty    | is on the penalty lane, with other workers that failed                     | ownLaneReady, sent after     |
 * |            |                                                                            | enough time without failure  |
 * | dedicated  | is on its own lane, or waits for that lane's next thread                   | sent, quarantined, evicted   |
 * | quarantine | keeps its own lane, which has no thread                                    | released, evicted            |
 * | moving     | leaves one lane and continues to `to` when that lane has left it           | left                         |
 * | gone       | was removed                                                                | never                        |
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
 * A quarantine on a lane other than `own` makes that lane the worker's own, and the previous `own` ends. A quarantine
 * on `own` has no effect while the worker is moving elsewhere. A lane that still serves the worker ends when it has
 * left it.
 */

/** The places without a move in progress. */
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
  /** The lane that the worker leaves. */
  readonly lane: L;
  /** The worker's place on that lane. */
  readonly from: SettledAt;
  /** May be the current lane: the worker then comes back to it. */
  readonly to: Destination<L>;
  readonly own: L | undefined;
  /** The worker leaves because it seems to exceed its time budget; whether it does is known when it has left. */
  readonly isOverTime: boolean;
}

/** A place with a lane. */
type Placed<L> = SettledPlace<L> | MovingPlace<L>;

export type WorkerPlace<L> =
  | Placed<L>
  | { readonly at: 'new'; readonly lane: undefined; readonly own: undefined }
  | { readonly at: 'gone'; readonly lane: undefined; readonly own: undefined };

export const NEW_PLACE = { at: 'new', lane: undefined, own: undefined } as const;
const GONE = { at: 'gone', lane: undefined, own: undefined } as const;

export type PlaceEvent<L> =
  /** A new worker gets a lane. `own`: the dedicated lane that is started meanwhile. */
  | { readonly type: 'assigned'; readonly to: Destination<L>; readonly own: L | undefined }
  /** A dedicated lane will be started for it. */
  | { readonly type: 'ownLaneGiven'; readonly own: L }
  /** That lane accepts heartbeats. */
  | { readonly type: 'ownLaneReady'; readonly own: L }
  /** Another lane is to serve it. A dedicated one becomes its own. */
  | { readonly type: 'sent'; readonly to: Destination<L> }
  /** This lane, its own from now on, has no thread. */
  | { readonly type: 'quarantined'; readonly own: L }
  /** Its quarantine is over; its lane is to be started. */
  | { readonly type: 'released' }
  /** Its lane's place goes to another worker. */
  | { readonly type: 'evicted'; readonly to: Destination<L> }
  /** It seems to exceed its time budget. */
  | { readonly type: 'overTime' }
  /** A failure was charged to it; it is not charged again for the time until now. */
  | { readonly type: 'charged' }
  /** The lane that it leaves will not access its slot again. */
  | { readonly type: 'left' }
  | { readonly type: 'forgotten' };

/** Actions to carry out, in this order. */
export type PlaceEffect<L> =
  /** The lane must skip the worker's heartbeats from the next one on. */
  | { readonly do: 'hold'; readonly lane: L }
  /** The lane must leave the worker; `left` follows. */
  | { readonly do: 'leave'; readonly lane: L }
  /** The lane serves the worker from now on, with the content of its mailbox. */
  | { readonly do: 'serve'; readonly lane: L }
  /** The lane is unused. */
  | { readonly do: 'end'; readonly lane: L };

export interface NextPlace<L> {
  readonly place: WorkerPlace<L>;
  readonly effects: readonly PlaceEffect<L>[];
}

/** @param nowMs monotonic time */
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

/** Moves the worker to a destination, from a settled place or during a move. */
function going<L>(place: Placed<L>, to: Destination<L>, own: L | undefined): NextPlace<L> {
  const { lane } = place;
  const effects = [...leaving(place), ...endsOf(place, own).filter((end) => end.lane !== lane)];
  if (place.at === 'moving') return { place: { ...place, to, own }, effects };
  return { place: { at: 'moving', lane, from: place.at, to, own, isOverTime: false }, effects };
}

/** Empty if the lane was told to leave already. */
function leaving<L>(place: WorkerPlace<L>): PlaceEffect<L>[] {
  const { lane } = place;
  return lane === undefined || place.at === 'moving' ? [] : [{ do: 'leave', lane }];
}

/** Effects that end the worker's own lanes except `kept`. */
function endsOf<L>(place: WorkerPlace<L>, kept: L | undefined): PlaceEffect<L>[] {
  const lanes = new Set([place.own, isLeavingOwn(place) ? place.lane : undefined]);
  return [...lanes].flatMap((lane) => (lane === undefined || lane === kept ? [] : [{ do: 'end', lane }]));
}

function isLeavingOwn<L>(place: WorkerPlace<L>): boolean {
  return place.at === 'moving' && (place.from === 'dedicated' || place.from === 'quarantine');
}

/** Whether its own lane is ready and should serve the worker, but does not and is not its destination. */
function isDrawnTo<L>(place: Placed<L>, own: L): boolean {
  if (place.own !== own) return false;
  return place.at === 'moving' ? place.to.lane !== own : place.lane !== own;
}

function quarantined<L>(place: Placed<L>, own: L): NextPlace<L> {
  const to: Destination<L> = { at: 'quarantine', lane: own };
  if (place.own !== own) return going(place, to, own);
  // Its own lane has lost its thread for a while.
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
