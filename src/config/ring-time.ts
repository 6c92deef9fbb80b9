/** How long samples stay in memory, from the settings that say so, of which one is of earlier versions. */
import { formatDuration } from './kinds.ts';
import type { MasterConfig } from './options.ts';
import { nameOf, settingText } from './setting-names.ts';

type RingSettings = Pick<MasterConfig, 'ringTimeMs' | 'ringSamples' | 'heartbeatIntervalMs' | 'history' | 'names'>;

/** Twenty times the interval at which samples are stored. */
export const LEAST_RING_TIME_MS = 10_000;
const MOST_RING_TIME_MS = 24 * 3_600_000;
const DEFAULT_MS = 3_600_000;

/** RING_TIME in ms; 0: no samples are kept in memory. */
export function ringTimeMs(settings: Omit<RingSettings, 'names'>): number {
  const { history, ringSamples } = settings;
  if (settings.ringTimeMs !== undefined) return settings.ringTimeMs;
  if (ringSamples !== undefined) {
    const wantedMs = ringSamples * settings.heartbeatIntervalMs;
    return Math.min(MOST_RING_TIME_MS, Math.max(LEAST_RING_TIME_MS, wantedMs));
  }
  return history === 'off' ? 0 : DEFAULT_MS;
}

export function ringTimeWarnings(settings: RingSettings): string[] {
  const { ringSamples, names } = settings;
  if (ringSamples === undefined) return [];
  const old = settingText(names, 'RING_SAMPLES', ringSamples);
  const ringTime = nameOf(names, 'RING_TIME');
  return [
    settings.ringTimeMs === undefined
      ? `${old} is replaced by ${ringTime}; at the present heartbeat interval it amounts to RING_TIME=${formatDuration(ringTimeMs(settings))}`
      : `${old} is ignored: ${settingText(names, 'RING_TIME', formatDuration(settings.ringTimeMs))} is set`,
  ];
}
