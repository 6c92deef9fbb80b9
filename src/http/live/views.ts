/**
 * The views that are in use, and those that were until a minute ago: whoever comes back finds his. They share what is read
 * of each worker, and the time that they may take of the thread:
 *
 *     look ─► slice ── 4 ms ──► rest ── 4 ms ──► slice ─► …        until every view has seen every change
 *             └ turn of a view ┘└ turn ┘…
 *
 * The turn goes to the view that has taken the least time of late, for a millisecond at most: so one that costs little
 * keeps up with each look, and those that cost much share what is left evenly and are told of changes later. When one is
 * late by more than a second, or a new one is not complete after five, further filters are refused: each would make all of
 * them later. A client may use a share of the views at a time. The view of all workers is refused to nobody.
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
  /** The time that it took of late. */
  costMs: number;
  /** Runs while nobody uses it. */
  expiry: Timer | undefined;
}

/** Of all workers: the one that everybody may have. */
const KEY_OF_ALL = viewKey(ALL, fieldsOf(undefined));
/** Looking at a clock costs a third of looking at a worker. */
const STEPS_PER_CLOCK = 4;

export class Views {
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #clock: Clock;
  /** Of the last changes, for whoever tells of them. */
  readonly readings = new ParsedRecords();
  /** Those that were given back last come last. */
  readonly #kept = new Map<string, Kept>();
  /** How often each client uses which of them; that of all workers is not counted. */
  readonly #byClient = new Map<string, Map<string, number>>();
  #stopListening: (() => void) | undefined;
  /** The counter as of the last look. */
  #lookedAt = 0;
  /** When the next slice begins; undefined while no view is behind. */
  #rest: Timer | undefined;
  /** When the rest is over. */
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
   * The view of this selection and these fields; not complete at once where there are many workers. Give it back.
   * @param client who asks: none may have more than its share; undefined: nobody who could have one
   * @throws LimitReached if that client uses too many, if there are too many in use, or if they take up all the time that
   * they may.
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

  /** Once for each `take`, of the same client. */
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

  /** Whether a further filter would make those late that are followed already, or would itself be late. */
  get areLate(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const stoodMs = this.#stoodMs(nowMs);
    return [...this.#kept.values()].some(
      ({ view }) => view.lateMs(nowMs) - stoodMs > (view.isComplete ? MAX_VIEW_LATE_MS : MAX_VIEW_BUILD_MS),
    );
  }

  /** Nobody comes back. */
  stop(): void {
    this.#isStopped = true;
    for (const [key, kept] of this.#kept) if (kept.users === 0) this.#drop(key, kept);
  }

  #checkShare(key: string, client: string | undefined): void {
    const used = client === undefined ? undefined : this.#byClient.get(client);
    if (used === undefined || key === KEY_OF_ALL || used.has(key) || used.size < MAX_VIEWS_PER_CLIENT) return;
    const detail = `${MAX_VIEWS_PER_CLIENT} different filters are being followed by this client already`;
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

  /** @throws LimitReached if a further one would be too much */
  #makeRoom(): void {
    if (this.areLate) {
      // What nobody uses must not keep anybody out.
      for (const [key, kept] of this.#kept) if (kept.users === 0) this.#drop(key, kept);
    }
    if (this.areLate) {
      throw new LimitReached(
        'resource_exhausted',
        'filters',
        'the filters that are followed take up all the time that they may',
      );
    }
    if (this.#kept.size - (this.#kept.has(KEY_OF_ALL) ? 1 : 0) >= MAX_VIEWS) {
      const unused = [...this.#kept].find(([key, { users }]) => users === 0 && key !== KEY_OF_ALL);
      if (unused === undefined) {
        throw new LimitReached(
          'resource_exhausted',
          'filters',
          `${MAX_VIEWS} different filters are being followed already`,
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

  /** Unless one has just ended. */
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

  /** For how long the thread has stood still when it should have gone on with a slice. */
  #stoodMs(nowMs: number): number {
    const overdueMs = this.#rest === undefined ? 0 : nowMs - this.#restOverMs;
    return overdueMs > VIEW_STALL_MS ? overdueMs : 0;
  }

  /** The one that took the least of those that are behind. */
  #next(): Kept | undefined {
    let next: Kept | undefined;
    for (const kept of this.#kept.values()) {
      if (kept.view.isBehind && (next === undefined || kept.costMs < next.costMs)) next = kept;
    }
    return next;
  }

  /** @returns when it ended */
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
