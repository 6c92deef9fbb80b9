/** History as the settings say: its thread, what events and the log say of it, and what readers are told. */
import { join } from 'node:path';
import { withCredentials } from '../config/database-environment.ts';
import { databaseAddress, databaseUrl, formatDatabase } from '../config/database-url.ts';
import { Expected } from '../config/kinds.ts';
import type { MasterConfig } from '../config/options.ts';
import { secretText, settingText } from '../config/setting-names.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { DatabasePlace } from '../history/database.ts';
import { HistoryHost } from '../history/host.ts';
import type { HistorySettings } from '../history/messages.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { readSettingFile } from '../lib/setting-file.ts';

/** The SQLite database of history in a data directory. */
export function databaseFile(dataDir: string): string {
  return join(dataDir, 'history.db');
}

/**
 * @returns undefined if history is off
 * @throws PulselaneError `bad_setting`, naming the setting, without a password
 */
export async function historySettingsOf(config: MasterConfig): Promise<HistorySettings | undefined> {
  if (config.history === 'off') return undefined;
  const {
    dataDir,
    historyRawMs: rawMs,
    historyMinuteMs,
    historyHourMs,
    historyMaxBytes,
    historySpoolMaxBytes,
  } = config;
  const place = await placeOf(config);
  const minuteMs = Math.max(historyMinuteMs, rawMs);
  return {
    place,
    shownPlace: place.kind === 'sqlite' ? place.path : formatDatabase(databaseAddress(place.url)),
    dataDir,
    rawMs,
    minuteMs,
    hourMs: Math.max(historyHourMs, minuteMs),
    maxBytes: historyMaxBytes,
    spoolMaxBytes: historySpoolMaxBytes,
  };
}

async function placeOf({ dataDir, databaseUrl: url, databaseUrlFile, names }: MasterConfig): Promise<DatabasePlace> {
  if (url !== undefined) return { kind: 'postgres', url: withCredentials(url) };
  if (databaseUrlFile === undefined) return { kind: 'sqlite', path: databaseFile(dataDir) };
  const setting = settingText(names, 'DATABASE_URL_FILE', databaseUrlFile);
  const text = (await readSettingFile(setting, databaseUrlFile)).trim();
  try {
    return { kind: 'postgres', url: withCredentials(databaseUrl.parse(text)) };
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain ${error.message}`);
  }
}

/** Where history goes, if a `.env` file says so: the file may be another program's. */
export function notePlace({ shownPlace }: HistorySettings, { names }: MasterConfig, logger: Logger): void {
  const variable = ['DATABASE_URL', 'DATABASE_URL_FILE'].find((name) => (names?.[name]?.where ?? '') !== '');
  if (variable === undefined) return;
  logger.info(`history is kept in PostgreSQL at ${shownPlace}: ${secretText(names, variable)}`);
}

/** Creates the host without starting it. */
export function makeHistory(
  settings: HistorySettings,
  manager: TelemetryManager,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): HistoryHost {
  const host = new HistoryHost({
    board: manager.boardMemory,
    settings,
    roster: () => manager.announcements(),
    onFault: (detail) => manager.recordEvent({ type: 'fault', detail }),
    onFaultOver: (detail) => manager.recordEvent({ type: 'fault_over', detail }),
    onLastEventId: (id) => manager.events.raise(id),
    onSettled: (slots) => manager.settled(slots),
    givenUp: () => manager.closedGivenUp,
    clock,
    logger,
  });
  manager.keepClosedUntilSettled();
  manager.onAnnouncement((announcement) => host.announce([announcement]));
  return host;
}
