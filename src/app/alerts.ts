/** Alerts as the settings say: the rule file, the thread, what events and the log say of it, and what readers are told. */
import { resolve } from 'node:path';
import { SIGNAL_RELOAD_WITHIN_MS } from '../alerts/alerts-limits.ts';
import { AlertsHost } from '../alerts/host.ts';
import type { AlertsSettings, RuleSource } from '../alerts/messages.ts';
import { problemText, readRules } from '../alerts/rule-source.ts';
import { commandEnvironment } from '../config/command-environment.ts';
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { HistoryHost } from '../history/host.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { Announcement } from '../reading/directory.ts';
import type { Reloadable } from './credentials.ts';

export interface StartAlerts {
  readonly settings: AlertsSettings;
  /** As it was found right; undefined: there is no rule file. */
  readonly source: RuleSource | undefined;
}

/**
 * Reads and checks the rule file, as other settings are checked: a master that starts with wrong rules would alert nobody.
 * @returns undefined if alerts are off
 * @throws PulselaneError `bad_setting`, naming the setting, and each problem with file, line and column
 */
export async function alertsOf(config: MasterConfig): Promise<StartAlerts | undefined> {
  if (config.alerts === 'off') return undefined;
  const { dataDir, alertRules, publicUrl = '', timeZone, retentionMs } = config;
  const settings: AlertsSettings = {
    dataDir: resolve(dataDir),
    path: alertRules === undefined ? undefined : resolve(alertRules),
    allowsCommands: config.alertCommands === 'on',
    noDataAfterMs: retentionMs === 0 ? Number.POSITIVE_INFINITY : retentionMs,
    publicUrl,
    commandEnvironment: commandEnvironment(),
    timeZone,
  };
  if (alertRules === undefined) return { settings, source: undefined };
  // Only who has rules pays for the languages in which they are written.
  const { parseRules } = await import('../alerts/rules/parse-rules.ts');
  const found = readRules(settings.path, settings.allowsCommands, parseRules);
  if (found.rules !== undefined) return { settings, source: found.source };
  const setting = settingText(config.names, 'ALERT_RULES', alertRules);
  const problems = found.problems.map((problem) => problemText(alertRules, problem));
  throw new PulselaneError('bad_setting', `${setting}: ${problems.join('; ')}`);
}

interface AlertsParts {
  readonly manager: TelemetryManager;
  /** Undefined: history is off. */
  readonly past: DatabasePlace | undefined;
  readonly history: HistoryHost | undefined;
  /** ANOMALIES=on. */
  readonly anomalies: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Creates the host without starting it. */
export function makeAlerts(
  { settings, source }: StartAlerts,
  { manager, past, history, anomalies, clock, logger }: AlertsParts,
): AlertsHost {
  const host = new AlertsHost({
    board: manager.boardMemory,
    script: 'app/alerts/thread',
    data: { past, anomalies },
    settings,
    source,
    roster: () => [...manager.announcements(), ...(history === undefined ? [] : [history.announcement])],
    onEvent: (event) => manager.recordEvent(event),
    onExpected: (workers) => {
      for (const { workerId, values } of workers) manager.expect(workerId, values);
    },
    onAnomalies: (figures) => {
      manager.anomalies = figures;
    },
    onFault: (detail) => manager.recordEvent({ type: 'fault', detail }),
    onFaultOver: (detail) => manager.recordEvent({ type: 'fault_over', detail }),
    clock,
    logger,
  });
  manager.onAnnouncement((announcement: Announcement) => host.announce([announcement]));
  // A rule may be about history itself.
  history?.follow((announcement) => host.announce([announcement]));
  return host;
}

/** What SIGHUP reloads; undefined: there is no rule file. */
export function reloadableRules(alerts: AlertsHost | undefined, config: MasterConfig): Reloadable | undefined {
  if (alerts === undefined || config.alertRules === undefined) return undefined;
  return {
    name: `the rule file (ALERT_RULES)`,
    async reload() {
      const reply = await alerts.command({ type: 'reload-rules' }, SIGNAL_RELOAD_WITHIN_MS);
      if (reply.ok) return reply.message;
      const { problems = [], message, code } = reply;
      if (code === 'unavailable') throw new PulselaneError('unavailable', message);
      const all = problems.map((problem) => problemText(config.alertRules as string, problem));
      throw new PulselaneError('bad_setting', all.length === 0 ? message : all.join('; '));
    },
  };
}
