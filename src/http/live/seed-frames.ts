/** The frames of the seed's WebSockets: the map of `GET /telemetry` first, then a map of one worker for each change. */
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import { JsonText } from '../json-text.ts';
import type { Revisions } from '../revisions.ts';
import { appendMap, putTelemetry } from '../worker-json.ts';
import { type Flight, Frame } from './flight.ts';

/** Of this thread: what is written into it is copied before anything else runs. */
const text = new JsonText();

export class SeedFrames {
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #flight: Flight;
  /** Made since the last change. */
  readonly #ofOne = new Map<WorkerEntry, Frame>();
  #ofAll: Frame | undefined;
  #madeAt = 0;

  constructor(directory: Directory, revisions: Revisions, flight: Flight) {
    this.#directory = directory;
    this.#revisions = revisions;
    this.#flight = flight;
  }

  ofAll(): Frame {
    this.#dropOld();
    if (this.#ofAll === undefined) {
      this.#put(this.#directory.all());
      this.#ofAll = this.#held();
    }
    return this.#ofAll;
  }

  /** @returns undefined if the worker is forgotten */
  of(entry: WorkerEntry): Frame | undefined {
    this.#dropOld();
    const known = this.#ofOne.get(entry);
    if (known !== undefined) return known;
    if (this.#put([entry]) === 0) return undefined;
    const made = this.#held();
    this.#ofOne.set(entry, made);
    return made;
  }

  dropFrames(): void {
    for (const frame of this.#ofOne.values()) this.#flight.release(frame);
    this.#ofOne.clear();
    if (this.#ofAll !== undefined) this.#flight.release(this.#ofAll);
    this.#ofAll = undefined;
    this.#madeAt = this.#revisions.counter;
  }

  #dropOld(): void {
    if (this.#madeAt !== this.#revisions.counter) this.dropFrames();
  }

  #put(entries: Iterable<WorkerEntry>): number {
    return appendMap(text.clear(), this.#directory, entries, putTelemetry);
  }

  /** Of the text. */
  #held(): Frame {
    const frame = new Frame(text.copy());
    this.#flight.hold(frame);
    return frame;
  }
}
