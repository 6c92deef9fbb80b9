/** What the alerts thread gets at its start. */
import type { DatabasePlace } from '../../history/database.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';

export interface AlertsThreadData extends ReaderData {
  /** The database of history, to be read for windows that reach beyond the rings; undefined: history is off. */
  readonly past: DatabasePlace | undefined;
  /** ANOMALIES=on. */
  readonly anomalies: boolean;
}
