/** Messages between the export thread and its host. */
import type { ReceiverStatus } from '../../model/export-status.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import type { RemoteWriteSettings } from './remote-write/settings.ts';

/** As the settings say; each protocol adds its own. */
export type ReceiverSettings = RemoteWriteSettings;

export interface ExportSettings {
  /** At least one. */
  readonly receivers: readonly ReceiverSettings[];
  /** Of each receiver's queue. */
  readonly maxQueueBytes: number;
  /** Names of workers' own labels that are told, with `*` for any text. */
  readonly infoLabels: readonly string[];
}

export interface ExportThreadData extends ReaderData {
  readonly settings: ExportSettings;
}

export type ToExport =
  /** All workers are known: begin. Events up to `lastEventId` are not told. */
  { readonly type: 'begin'; readonly lastEventId: number };

export type FromExport = {
  readonly type: 'status';
  /** In the order of the settings. */
  readonly receivers: readonly ReceiverStatus[];
  /** Of the events that were handed to the receivers. */
  readonly lastEventId: number;
};
