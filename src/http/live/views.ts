/**
 * The views in use, and those used within the last minute, in case their clients come back. They share what is read of each
 * worker, and the thread's time:
 *
 *     poll ─► slice ── 4 ms ──► rest ── 4 ms ──► slice ─► …        until every view has seen every change
 *             └ turn of a view ┘└ turn ┘…
 *
 * Each turn goes to the view that has recently used the least time, for a millisecond at most. So a cheap view keeps up with
 * every poll, and expensive ones share the rest evenly and are later. If one is more than a second late, or a new one is not
 * complete after five, further filters are refused, because each would delay all of them more. A client may use a share of
 * the views at a time. The view of all workers is never refused.
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';
import { type Fields, fieldsOf } from '../../reading/fields.ts';
import { ParsedRecords } from '../../reading/parsed-records.ts';
import type { Revisions } from '../../reading/revisions.ts';
import { ALL, type Selection } from '../../reading/selection.ts';
import {
  MAX_VIEW_BUILD_MS,
  MAX_VIEW_LATE_MS,
  MAX_VIEWS,
  MAX_VIEWS_PER_CLIENT,
  VIEW_COST_DECAY,
  VIEW_KEPT_MS,
  VIEW_REST_SHARE,
  VIEW_SLICE_MS,
  VIEW_STALL_MS,
  VIEW_TURN_MS,
} from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import { View, viewKey } from './view.ts';

interface Kept {
  readonly view: View;
  users: number;
  /** The time that it used recently. */
  costMs: number;
  /** Runs while the view is unused. */
  expiry: Timer | undefined;
}

/** The view of all workers, which is open to everyone. */
const KEY_OF_ALL = viewKey(ALL, fieldsOf(undefined));
/** Reading the clock costs a third of checking a worker. */
const STEPS_PER_CLOCK = 4;

export class Views {
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #clock: Clock;
  /** Of the latest changes, shared with the feeds. */
  readonly readings = new ParsedRecords();
  /** The most recently returned come last. */
  readonly #kept = new Map<string, Kept>();
  /** How often each client uses which view; the view of all workers is not counted. */
  readonly #byClient = new Map<string, Map<string, number>>();
  #stopListening: (() => void) | undefined;
  /** The counter at the last poll. */
  #lookedAt = 0;
  /** When the next slice begins; undefined while no view is behind. */
  #rest: Timer | undefined;
  /** When the rest should end. */
  #restOverMs = 0;
  #isStopped = false;

  constructor(directory: Directory, revisions: Revisions, clock: Clock) {
    this.#directory = directory;
    this.#revisions = revisions;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * The view of this selection and these fields; with many workers not complete at once. Return it with `give`.
   * @param client the client, for its share; undefined: no limit applies
   * @throws LimitReached if this client uses too many, if too many are in use, or if they use all their time
   */
  take(selection: Selection, fields: Fields, client?: string): View {
    const key = viewKey(selection, fields);
    this.#checkShare(key, client);
    const kept = this.#kept.get(key) ?? this.#make(selection, fields);
    kept.users++;
    this.#countUse(key, client, 1);
    kept.expiry?.cancel();
    kept.expiry = undefined;
    return kept.view;
  }

  /** Call it once per `take`, with the same client. */
  give({ key }: View, client?: string): void {
    this.#countUse(key, client, -1);
    const kept = this.#kept.get(key);
    if (kept === undefined || --kept.users > 0) return;
    if (this.#isStopped) {
      this.#drop(key, kept);
      return;
    }
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    kept.expiry = this.#clock.after(VIEW_KEPT_MS, () => this.#drop(key, kept));
  }

  /** Whether a further filter would make the present ones late, or be late itself. */
  get areLate(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const stoodMs = this.#stoodMs(nowMs);
    return [...this.#kept.values()].some(
      ({ view }) => view.lateMs(nowMs) - stoodMs > (view.isComplete ? MAX_VIEW_LATE_MS : MAX_VIEW_BUILD_MS),
    );
  }

  /** No client will come back. */
  stop(): void {
    this.#isStopped = true;
    for (const [key, kept] of this.#kept) if (kept.users === 0) this.#drop(key, kept);
  }

  #checkShare(key: string, client: string | undefined): void {
    const used = client === undefined ? undefined : this.#byClient.get(client);
    if (used === undefined || key === KEY_OF_ALL || used.has(key) || used.size < MAX_VIEWS_PER_CLIENT) return;
    const detail = `too many filters: this client already follows ${MAX_VIEWS_PER_CLIENT} different ones`;
    throw new LimitReached('rate_limited', 'filters_per_client', detail);
  }

  #countUse(key: string, client: string | undefined, change: 1 | -1): void {
    if (client === undefined || key === KEY_OF_ALL) return;
    const used = this.#byClient.get(client) ?? new Map<string, number>();
    const uses = (used.get(key) ?? 0) + change;
    if (uses > 0) used.set(key, uses);
    else used.delete(key);
    if (used.size > 0) this.#byClient.set(client, used);
    else this.#byClient.delete(client);
  }

  /** @throws LimitReached if a further view would be too much */
  #makeRoom(): void {
    if (this.areLate) {
      // Unused views must not cause a refusal.
      for (const [key, kept] of this.#kept) if (kept.users === 0) this.#drop(key, kept);
    }
    if (this.areLate) {
      throw new LimitReached(
        'resource_exhausted',
        'filters',
        'the filters followed at present use all the time available for them',
      );
    }
    if (this.#kept.size - (this.#kept.has(KEY_OF_ALL) ? 1 : 0) >= MAX_VIEWS) {
      const unused = [...this.#kept].find(([key, { users }]) => users === 0 && key !== KEY_OF_ALL);
      if (unused === undefined) {
        throw new LimitReached(
          'resource_exhausted',
          'filters',
          `too many filters: ${MAX_VIEWS} different ones are already followed`,
        );
      }
      this.#drop(...unused);
    }
  }

  #make(selection: Selection, fields: Fields): Kept {
    if (viewKey(selection, fields) !== KEY_OF_ALL) this.#makeRoom();
    const view = new View(selection, fields, {
      directory: this.#directory,
      revisions: this.#revisions,
      readings: this.readings,
      nowMs: () => this.#clock.monotonicMs(),
    });
    this.#lookedAt = this.#revisions.counter;
    const kept: Kept = { view, users: 0, costMs: 0, expiry: undefined };
    this.#kept.set(view.key, kept);
    this.#stopListening ??= this.#revisions.listen(() => this.#looked());
    this.#slice();
    return kept;
  }

  #drop(key: string, kept: Kept): void {
    kept.expiry?.cancel();
    this.#kept.delete(key);
    if (this.#kept.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#endRest();
    this.readings.clear();
  }

  #looked(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const kept of this.#kept.values()) {
      kept.costMs *= VIEW_COST_DECAY;
      if (kept.view.seenTo >= this.#lookedAt) kept.view.becameLate(nowMs);
    }
    this.#lookedAt = this.#revisions.counter;
    this.#slice();
  }

  /** Starts a slice, unless the rest after the last one is still running. */
  #slice(): void {
    if (this.#rest !== undefined) return;
    const startMs = this.#clock.monotonicMs();
    let nowMs = startMs;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (nowMs - startMs >= VIEW_SLICE_MS) {
        const restMs = (nowMs - startMs) * VIEW_REST_SHARE;
        this.#restOverMs = nowMs + restMs;
        this.#rest = this.#clock.after(restMs, () => this.#goOn());
        return;
      }
      nowMs = this.#turn(next, nowMs, Math.min(nowMs + VIEW_TURN_MS, startMs + VIEW_SLICE_MS));
    }
  }

  /** The rest is over. */
  #goOn(): void {
    const stoodMs = this.#stoodMs(this.#clock.monotonicMs());
    if (stoodMs > 0) for (const { view } of this.#kept.values()) view.stood(stoodMs);
    this.#rest = undefined;
    this.#slice();
  }

  /** For how long the thread was stalled beyond the end of the rest. */
  #stoodMs(nowMs: number): number {
    const overdueMs = this.#rest === undefined ? 0 : nowMs - this.#restOverMs;
    return overdueMs > VIEW_STALL_MS ? overdueMs : 0;
  }

  /** Of the views that are behind, the one that used the least time. */
  #next(): Kept | undefined {
    let next: Kept | undefined;
    for (const kept of this.#kept.values()) {
      if (kept.view.isBehind && (next === undefined || kept.costMs < next.costMs)) next = kept;
    }
    return next;
  }

  /** @returns when the turn ended */
  #turn(kept: Kept, nowMs: number, overMs: number): number {
    let steps = 0;
    kept.view.catchUp(() => ++steps % STEPS_PER_CLOCK === 0 && this.#clock.monotonicMs() >= overMs);
    const endMs = this.#clock.monotonicMs();
    kept.costMs += endMs - nowMs;
    return endMs;
  }

  #endRest(): void {
    this.#rest?.cancel();
    this.#rest = undefined;
  }
}
