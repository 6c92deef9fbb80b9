/** What was read of recently changed workers, shared by everyone who handles the same change. */
import type { WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { MAX_PARSED_BYTES } from './reading-limits.ts';

export class ParsedRecords {
  /** By row, with the counter of the change after which it was read. */
  #kept: (ParsedRecord | undefined)[] = [];
  #ats: number[] = [];
  /** Bytes of all but the last one. */
  #bytes = 0;
  #last: ParsedRecord | undefined;

  /** The worker as read after its change at this counter. */
  of(entry: WorkerEntry, at: number): ParsedRecord {
    const { row } = entry;
    const kept = this.#kept[row];
    if (kept !== undefined && this.#ats[row] === at && kept.entry === entry) return kept;
    // The size of a record is known only once the next one is requested.
    this.#bytes += this.#last?.bytes ?? 0;
    if (this.#bytes >= MAX_PARSED_BYTES) this.clear();
    const reading = new ParsedRecord(entry);
    this.#last = reading;
    this.#kept[row] = reading;
    this.#ats[row] = at;
    return reading;
  }

  /** The worker was removed: drop its record, which references its slot. */
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
