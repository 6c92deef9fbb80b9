/** Joins what the alerts thread does for anomalies with the past that history knows. */
import { AnomalyWatch } from '../../alerts/anomaly/watch.ts';
import type { AlertsParts } from '../../alerts/port-side.ts';
import type { DatabasePlace } from '../../history/database.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';
import { HistoryPast } from './past.ts';

type Watching = Parameters<NonNullable<AlertsParts['watchAnomalies']>>;

/** @param place of history; undefined: it is off */
export function watchAnomalies(
  place: DatabasePlace | undefined,
  directory: Directory,
  { timeZone }: Watching[1],
  told: Watching[2],
): ReturnType<NonNullable<AlertsParts['watchAnomalies']>> {
  const past = place && new HistoryPast({ directory, place, clock: systemClock });
  const zone = timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const watch = new AnomalyWatch({ directory, past, timeZone: zone, clock: systemClock, ...told });
  return {
    get seasons() {
      return watch.seasons;
    },
    async stop() {
      await watch.stop();
      await past?.close();
    },
  };
}
