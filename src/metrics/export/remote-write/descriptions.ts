/**
 * Descriptions of families for receivers of 1.0, where they stand apart from samples; in 2.0, each series has its own. They go in
 * messages of their own: if a proxy refuses one as too large, no sample is lost with it.
 */
import type { Clock } from '../../../lib/clock.ts';
import { describedName, type Family } from '../../family.ts';
import { CUSTOM_PREFIX } from '../../workers/custom-names.ts';
import { type Batch, type FamilyMetadata, MAX_BATCH_BYTES } from './batch.ts';
import { METRIC_TYPES } from './wire-series.ts';
import { metadataBytes } from './write-v1.ts';

/** As a Prometheus that sends metadata. */
const METADATA_EVERY_MS = 60_000;
/** Of custom metrics, all of which have the same description: a fleet has some dozens. Families of Pulselane itself are all described. */
export const MAX_CUSTOM_DESCRIBED = 1000;

export class FamilyDescriptions {
  readonly #clock: Clock;
  #sentMs = Number.NEGATIVE_INFINITY;
  /** Of the present round, by name; undefined: none are due. */
  #families: Map<string, FamilyMetadata> | undefined;
  #custom = 0;

  /** @param isWanted whether the receiver is one of 1.0, as far as is known */
  constructor(clock: Clock, isWanted: boolean) {
    this.#clock = clock;
    this.#families = isWanted ? new Map() : undefined;
  }

  /** Call it for each point of a round. */
  add(family: Family): void {
    if (this.#families?.has(family.name) !== false) return;
    const { name, type, help, unit = '' } = family;
    if (name.startsWith(CUSTOM_PREFIX) && this.#custom++ >= MAX_CUSTOM_DESCRIBED) return;
    this.#families.set(name, { name: describedName(family), type: METRIC_TYPES[type], help, unit });
  }

  /** @returns the round's messages, none larger than `MAX_BATCH_BYTES` unless for one family */
  endRound(atUnixMs: number, isWanted: boolean): Batch[] {
    const families = [...(this.#families?.values() ?? [])];
    const nowMs = this.#clock.monotonicMs();
    if (families.length > 0) this.#sentMs = nowMs;
    this.#families = isWanted && nowMs - this.#sentMs >= METADATA_EVERY_MS ? new Map() : undefined;
    this.#custom = 0;
    return messagesOf(families, atUnixMs);
  }
}

function messagesOf(families: readonly FamilyMetadata[], atUnixMs: number): Batch[] {
  const messages: { metadata: FamilyMetadata[]; bytes: number }[] = [];
  for (const family of families) {
    const bytes = metadataBytes(family);
    const last = messages.at(-1);
    if (last === undefined || last.bytes + bytes > MAX_BATCH_BYTES) messages.push({ metadata: [family], bytes });
    else {
      last.metadata.push(family);
      last.bytes += bytes;
    }
  }
  return messages.map(({ metadata, bytes }) => {
    return { atUnixMs, samples: 0, bytes, series: [], values: new Uint8Array(), metadata };
  });
}
