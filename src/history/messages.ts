/** Messages between the history thread and its host. */
import type { HistoryStatus } from '../model/history-status.ts';
import type { ReaderData } from '../reading/reader-messages.ts';
import type { SlotKey } from '../reading/sample-drain.ts';
import type { DatabasePlace } from './database.ts';

/** As the settings say. */
export interface HistorySettings {
  readonly place: DatabasePlace;
  /** The place without user and password. */
  readonly shownPlace: string;
  /** For the spool, and to measure what is free on its disk. */
  readonly dataDir: string;
  readonly rawMs: number;
  readonly minuteMs: number;
  readonly hourMs: number;
  /** Undefined: auto. */
  readonly maxBytes: number | undefined;
  readonly spoolMaxBytes: number;
}

export interface HistoryThreadData extends ReaderData {
  readonly settings: HistorySettings;
  /** When this run of the master began. */
  readonly startedUnixMs: number;
}

export type ToHistory =
  /** All workers are known: begin. `lastBatch`: no batch of an earlier thread of this master had a higher number. */
  { readonly type: 'begin'; readonly lastBatch: number };

export type FromHistory =
  | {
      readonly type: 'status';
      readonly status: HistoryStatus;
      readonly lastBatch: number;
      /** Slots of removed workers of which everything is durable, or lost and counted, since the last report. */
      readonly settled: readonly SlotKey[];
    }
  /** Something was lost, or cannot be read: one line for the log. */
  | { readonly type: 'loss'; readonly message: string }
  /** The newest event of the database: those to come need higher ids. */
  | { readonly type: 'lastEventId'; readonly id: number };
