/** What `auto` amounts to on this machine, as each setting would be written. */
import { formatDuration } from '../../config/kinds.ts';
import type { MasterConfig } from '../../config/options.ts';
import { ringTimeMs } from '../../config/ring-time.ts';
import { autoSettings } from '../../engine/auto-settings.ts';

const MIB = 1024 ** 2;

/** By variable. A master measures once more when it starts, so that what is free by then counts. */
export function autoTexts({
  maxDedicatedLanes,
  sharedLanes,
  maxWorkers,
  ...config
}: MasterConfig): Readonly<Record<string, string>> {
  const { dedicated, shared, recordMemoryBytes, maxResidentBytes } = autoSettings({
    maxDedicatedLanes,
    sharedLanes,
    maxWorkers,
  });
  return {
    MAX_DEDICATED_LANES: String(dedicated),
    SHARED_LANES: String(shared),
    RECORD_MEMORY: `${Math.floor(recordMemoryBytes / MIB)}MiB`,
    RING_TIME: formatDuration(ringTimeMs(config)),
    MAX_RESIDENT: String(Math.floor(maxResidentBytes / MIB)),
  };
}
