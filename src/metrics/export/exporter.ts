/**
 * What a protocol of export must do, and what it is given. The rest (when to collect, the queue, when to send again, what is told
 * about it) is the same for all: see pipeline.ts.
 */

import type { WorkerEvent } from '../../model/events.ts';
import type { ReceiverKind, SendFailureCode } from '../../model/export-status.ts';
import type { WorkerEntry } from '../../reading/directory.ts';
import type { Family, Histogram, Label } from '../family.ts';
import type { ReceiverSettings } from './messages.ts';

/**
 * One series for as long as it exists: the same object in each round, so that what the exporter makes of its name and labels is made
 * once.
 */
export interface ExportSeries<Kept> {
  readonly family: Family;
  /** Of the worker, too: the label `worker`. */
  readonly labels: readonly Label[];
  /** Of counters and histograms: when they began at zero. */
  createdUnixMs: number | undefined;
  /** The exporter's own; undefined until it sets it. */
  kept: Kept | undefined;
}

export interface Point<Kept> {
  readonly series: ExportSeries<Kept>;
  readonly value: number | Histogram;
}

/** What a worker, or the master itself, has in one round. */
export interface SourceRound<Kept> {
  /** Undefined: the master itself. */
  readonly workerId: string | undefined;
  /** Undefined: the master itself, or a worker that is no longer known. */
  readonly worker: WorkerEntry | undefined;
  readonly points: readonly Point<Kept>[];
  /** Series of the last round that no longer exist: told once. */
  readonly ended: readonly ExportSeries<Kept>[];
}

/** Some sources of a round: a round is cut into slices, between which the thread does other things. */
export interface RoundSlice<Kept> {
  /** The time of every sample of the round, in Unix ms. At least 2 ms later than that of the round before: a protocol may end series 1 ms before. */
  readonly atUnixMs: number;
  readonly sources: readonly SourceRound<Kept>[];
}

/** What waits in the queue: one message, encoded or not. */
export interface Message {
  /** The time of its oldest sample, in Unix ms. */
  readonly atUnixMs: number;
  readonly samples: number;
  /** Memory that it takes while it waits. */
  readonly bytes: number;
}

/** What became of an attempt to send. `detail`: readable text, without secrets. */
export type Outcome =
  /** Taken, except for `rejected` samples of it. */
  | { readonly type: 'taken'; readonly rejected: number; readonly detail?: string }
  /** To be sent again later. `retryAfterMs`: the receiver asks to wait at least that long. */
  | { readonly type: 'retry'; readonly code: SendFailureCode; readonly detail: string; readonly retryAfterMs?: number }
  /** To be sent again at once, because it will be encoded in another way. Not twice in a row for the same message. */
  | { readonly type: 'again' }
  /** Never to be sent again. */
  | { readonly type: 'refused'; readonly detail: string };

export interface Exporter<M extends Message = Message, Kept = unknown> {
  readonly kind: ReceiverKind;
  /** See `ReceiverStatus`. */
  readonly place: string;
  readonly protocol: string;
  /** Whether rounds are collected for it. Default: true. */
  readonly wantsRounds?: boolean;
  /** The messages of a slice; samples of one series are in the order of the calls. Must not take long: a slice has a few thousand series. */
  encode(slice: RoundSlice<Kept>): readonly M[];
  /** All slices of a round were encoded: what was held back for a fuller message. */
  endRound?(): readonly M[];
  /** Messages about new events, each told once, in order. Optional. */
  encodeEvents?(events: readonly WorkerEvent[]): readonly M[];
  /** One attempt; never rejects. One at a time. `signal`: the attempt is given up. */
  send(message: M, signal: AbortSignal): Promise<Outcome>;
  /** The settings with other credentials, for attempts from now on; the attempt under way goes on as it began. */
  renew(settings: ReceiverSettings): void;
  /** Closes connections. */
  close(): void;
}
