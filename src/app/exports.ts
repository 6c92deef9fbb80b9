/** The export of metrics as the settings say: its receivers, its thread, and what events and readers are told of it. */

import type { MasterConfig } from '../config/options.ts';
import { secretText, settingText } from '../config/setting-names.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { Clock } from '../lib/clock.ts';
import { allOrProblems, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { uselessGlobs } from '../metrics/export/family-filter.ts';
import { ExportHost } from '../metrics/export/host.ts';
import type { ExportSettings, ReceiverSettings } from '../metrics/export/messages.ts';
import type { Announcement } from '../reading/directory.ts';
import { otlpOf } from './otlp.ts';
import { remoteWriteOf } from './remote-write.ts';

/**
 * @returns undefined if no receiver is set
 * @throws PulselaneError `bad_setting`, naming the setting, without a secret
 */
export async function exportSettingsOf(config: MasterConfig): Promise<ExportSettings | undefined> {
  const found = await allOrProblems([remoteWriteOf(config), otlpOf(config)]);
  const receivers: readonly ReceiverSettings[] = found.filter((receiver) => receiver !== undefined);
  if (receivers.length === 0) return undefined;
  const problems = receivers.flatMap((receiver) => familiesProblem(receiver, config) ?? []);
  if (problems.length > 0) throw new PulselaneError('bad_setting', problems.join('; '));
  return {
    receivers,
    maxQueueBytes: config.exportQueueBytes,
    maxSeries: config.metricsMaxSeries,
    infoLabels: config.metricsLabels,
  };
}

/** A name that chooses nothing is a mistake, which would be seen only when the metric is missed. */
function familiesProblem({ kind, families = [] }: ReceiverSettings, { names }: MasterConfig): string | undefined {
  const [useless] = uselessGlobs(families);
  if (useless === undefined) return undefined;
  const variable = kind === 'otlp' ? 'OTLP_FAMILIES' : 'REMOTE_WRITE_FAMILIES';
  const setting = settingText(names, variable, families.join(','));
  return `${setting}: expected names of metrics of GET /metrics, such as pulselane_worker_*; ${JSON.stringify(useless)} is the name of none`;
}

/** Whether there are files for `reload` to read. */
export function hasExportFiles(config: MasterConfig): boolean {
  const { remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa } = config;
  const { otlpTokenFile, otlpHeadersFile, otlpTlsCa } = config;
  // None of them is set without its receiver.
  return [
    ...[remoteWritePasswordFile, remoteWriteTokenFile, remoteWriteHeadersFile, remoteWriteTlsCa],
    ...[otlpTokenFile, otlpHeadersFile, otlpTlsCa],
  ].some((path) => path !== undefined);
}

/** What is set by a `.env` file, which may be another program's, is told: fleet data goes there. */
export function noteReceivers({ receivers }: ExportSettings, { names }: MasterConfig, logger: Logger): void {
  for (const receiver of receivers) {
    const { kind, place } = receiver;
    const what = kind === 'otlp' ? receiver.signals.join(' and ') : 'metrics';
    const how = kind === 'otlp' ? ` by OTLP (${receiver.protocol})` : '';
    const variable = kind === 'otlp' ? 'OTLP_ENDPOINT' : 'REMOTE_WRITE_URL';
    const isInFile = (names?.[variable]?.where ?? '') !== '';
    logger.info(`${what} are sent to ${place}${how}${isInFile ? `: ${secretText(names, variable)}` : ''}`);
  }
}

interface ExportParts {
  readonly manager: TelemetryManager;
  /** What else the master's own families need to know. */
  readonly others: () => readonly Announcement[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Creates the host without starting it. */
export function makeExports(settings: ExportSettings, { manager, others, clock, logger }: ExportParts): ExportHost {
  const host: ExportHost = new ExportHost({
    board: manager.boardMemory,
    settings,
    roster: () => [...manager.announcements(), ...others(), host.announcement],
    lastEventId: manager.events.lastId,
    onFault: (detail) => manager.recordEvent({ type: 'fault', detail }),
    onFaultOver: (detail) => manager.recordEvent({ type: 'fault_over', detail }),
    clock,
    logger,
  });
  manager.onAnnouncement((announcement) => host.announce([announcement]));
  // The master's own families tell of receivers, too.
  host.follow((announcement) => host.announce([announcement]));
  return host;
}
