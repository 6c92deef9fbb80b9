/** The bodies of large answers: lent to one answer at a time, and not changed until it is sent. */
import type { Directory } from '../../reading/directory.ts';
import { JOINED_BODIES, MAX_JOINED_BYTES_KEPT } from '../http-limits.ts';
import { JoinedMap } from './joined-map.ts';
import { type JsonText, JsonTextPool } from './json-text.ts';
import { appendMap, type PutValue, putSummary, putTelemetry } from './worker-json.ts';

/** The kept bodies of one map of all workers; at most {@link JOINED_BODIES}. */
export class JoinedMapPool {
  readonly #directory: Directory;
  readonly #putValue: PutValue;
  readonly #free: JoinedMap[] = [];
  readonly #lent = new Set<JoinedMap>();

  constructor(directory: Directory, putValue: PutValue) {
    this.#directory = directory;
    this.#putValue = putValue;
  }

  /** A map to update and send; undefined while all are lent. Return it with `give`. */
  take(): JoinedMap | undefined {
    if (this.#lent.size >= JOINED_BODIES) return undefined;
    // The most recently returned: the least has changed since it was updated.
    const map = this.#free.pop() ?? new JoinedMap(this.#directory, this.#putValue);
    this.#lent.add(map);
    return map;
  }

  /** Call it once per `take`; further calls do nothing. */
  give(map: JoinedMap): void {
    if (this.#lent.delete(map) && map.capacityBytes <= MAX_JOINED_BYTES_KEPT) this.#free.push(map);
  }

  /** Builds the same map from scratch in the caller's text: for when all kept ones are lent. */
  joinAnew(text: JsonText): void {
    appendMap(text, this.#directory, this.#directory.all(), this.#putValue);
  }

  get lent(): number {
    return this.#lent.size;
  }
}

export class Bodies {
  readonly telemetry: JoinedMapPool;
  readonly workers: JoinedMapPool;
  readonly texts = new JsonTextPool();

  constructor(directory: Directory) {
    this.telemetry = new JoinedMapPool(directory, putTelemetry);
    this.workers = new JoinedMapPool(directory, putSummary);
  }

  get lent(): number {
    return this.telemetry.lent + this.workers.lent + this.texts.lent;
  }
}
