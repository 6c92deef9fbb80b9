/** The views that are in use, and those that were until a minute ago: whoever comes back finds his. */
import type { Clock, Timer } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import type { Directory } from '../../store/directory.ts';
import { MAX_VIEWS, VIEW_KEPT_MS } from '../limits.ts';
import type { Fields } from '../query/fields.ts';
import type { Selection } from '../query/selection.ts';
import type { Revisions } from '../revisions.ts';
import { View, viewKey } from './view.ts';

interface Kept {
  readonly view: View;
  readonly stopListening: () => void;
  users: number;
  /** Runs while nobody uses it. */
  expiry: Timer | undefined;
}

export class Views {
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #clock: Clock;
  /** Those that were given back last come last. */
  readonly #kept = new Map<string, Kept>();
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
   * The view of this selection and these fields, as of the last look. Give it back.
   * @throws PulselaneError `resource_exhausted` if there are too many in use.
   */
  take(selection: Selection, fields: Fields): View {
    const kept = this.#kept.get(viewKey(selection, fields)) ?? this.#make(selection, fields);
    kept.users++;
    kept.expiry?.cancel();
    kept.expiry = undefined;
    return kept.view;
  }

  /** Once for each `take`. */
  give({ key }: View): void {
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

  /** Nobody comes back. */
  stop(): void {
    this.#isStopped = true;
    for (const [key, kept] of this.#kept) if (kept.users === 0) this.#drop(key, kept);
  }

  #make(selection: Selection, fields: Fields): Kept {
    if (this.#kept.size >= MAX_VIEWS) {
      const unused = [...this.#kept].find(([, { users }]) => users === 0);
      if (unused === undefined) {
        throw new PulselaneError('resource_exhausted', `${MAX_VIEWS} different filters are being followed already`);
      }
      this.#drop(...unused);
    }
    const view = new View(selection, fields, this.#directory, this.#revisions);
    const kept: Kept = { view, stopListening: this.#revisions.listen(view), users: 0, expiry: undefined };
    this.#kept.set(view.key, kept);
    return kept;
  }

  #drop(key: string, kept: Kept): void {
    kept.expiry?.cancel();
    kept.stopListening();
    this.#kept.delete(key);
  }
}
