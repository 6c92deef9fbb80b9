/** What was read of the workers that changed last: once for all who look at the same change. */
import type { WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { MAX_PARSED_BYTES } from './reading-limits.ts';

export class ParsedRecords {
  /** By row, with the counter of the change behind which it was read. */
  #kept: (ParsedRecord | undefined)[] = [];
  #ats: number[] = [];
  /** Of those that were read before the last one. */
  #bytes = 0;
  #last: ParsedRecord | undefined;

  /** The worker as it was read after its change at that counter. */
  of(entry: WorkerEntry, at: number): ParsedRecord {
    const { row } = entry;
    const kept = this.#kept[row];
    if (kept !== undefined && this.#ats[row] === at && kept.entry === entry) return kept;
    // What it has read is known when the next one is asked for.
    this.#bytes += this.#last?.bytes ?? 0;
    if (this.#bytes >= MAX_PARSED_BYTES) this.clear();
    const reading = new ParsedRecord(entry);
    this.#last = reading;
    this.#kept[row] = reading;
    this.#ats[row] = at;
    return reading;
  }

  /** The worker is gone: what was read of it holds on to its slot. */
  forget(row: number, workerId: string): void {
    if (this.#kept[row]?.entry.workerId === workerId) this.#kept[row] = undefined;
    if (this.#last?.entry.workerId !== workerId) return;
    this.#bytes += this.#last.bytes;
    this.#last = undefined;
  }

  clear(): void {
    this.#kept = [];
    this.#ats = [];
    this.#bytes = 0;
    this.#last = undefined;
  }
}
