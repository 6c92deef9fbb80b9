/** Messages between the export thread and its host. */
import type { ReceiverStatus } from '../../model/export-status.ts';
import type { OtlpSettings } from './otlp/settings.ts';
import type { RemoteWriteSettings } from './remote-write/settings.ts';

/** As the settings say; each protocol adds its own. */
export type ReceiverSettings = RemoteWriteSettings | OtlpSettings;

export interface ExportSettings {
  /** At least one. */
  readonly receivers: readonly ReceiverSettings[];
  /** Of each receiver's queue. */
  readonly maxQueueBytes: number;
  /** METRICS_MAX_SERIES: of workers, in one round. */
  readonly maxSeries: number;
  /** Names of workers' own labels that are told, with `*` for any text. */
  readonly infoLabels: readonly string[];
}

export type ToExport =
  /** All workers are known: begin. Events up to `lastEventId` are not told. */
  | { readonly type: 'begin'; readonly settings: ExportSettings; readonly lastEventId: number }
  /** The same receivers with other credentials. */
  | { readonly type: 'renew'; readonly receivers: readonly ReceiverSettings[] };

export type FromExport = {
  readonly type: 'status';
  /** In the order of the settings. */
  readonly receivers: readonly ReceiverStatus[];
  /** Of the events that were handed to the receivers. */
  readonly lastEventId: number;
};
