/** The frames of the earlier system's WebSockets: first the map of `GET /telemetry`, then a map of one worker per change. */
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { Revisions } from '../../reading/revisions.ts';
import { JsonText } from '../bodies/json-text.ts';
import { appendMap, putTelemetry } from '../bodies/worker-json.ts';
import { type FrameBudget, SharedFrame } from './frame-budget.ts';

/** Shared by this thread: its content is copied before anything else runs. */
const text = new JsonText();

export class LegacyFrames {
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #budget: FrameBudget;
  /** Frames built since the last change. */
  readonly #ofOne = new Map<WorkerEntry, SharedFrame>();
  #ofAll: SharedFrame | undefined;
  #madeAt = 0;

  constructor(directory: Directory, revisions: Revisions, budget: FrameBudget) {
    this.#directory = directory;
    this.#revisions = revisions;
    this.#budget = budget;
  }

  ofAll(): SharedFrame {
    this.#dropOld();
    if (this.#ofAll === undefined) {
      this.#put(this.#directory.all());
      this.#ofAll = this.#held();
    }
    return this.#ofAll;
  }

  /** @returns undefined if the worker was forgotten */
  of(entry: WorkerEntry): SharedFrame | undefined {
    this.#dropOld();
    const known = this.#ofOne.get(entry);
    if (known !== undefined) return known;
    if (this.#put([entry]) === 0) return undefined;
    const made = this.#held();
    this.#ofOne.set(entry, made);
    return made;
  }

  dropFrames(): void {
    for (const frame of this.#ofOne.values()) this.#budget.release(frame);
    this.#ofOne.clear();
    if (this.#ofAll !== undefined) this.#budget.release(this.#ofAll);
    this.#ofAll = undefined;
    this.#madeAt = this.#revisions.counter;
  }

  #dropOld(): void {
    if (this.#madeAt !== this.#revisions.counter) this.dropFrames();
  }

  #put(entries: Iterable<WorkerEntry>): number {
    return appendMap(text.clear(), this.#directory, entries, putTelemetry);
  }

  /** A frame with the text, held here. */
  #held(): SharedFrame {
    const frame = new SharedFrame(text.copy());
    this.#budget.hold(frame);
    return frame;
  }
}
