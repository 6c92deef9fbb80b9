/** Messages between the alerts thread and its host. */
import type { AlertChanges } from '../model/alert-changes.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { AlertsStatus, LoadedRules } from '../model/alerts-status.ts';
import type { NewEvent } from '../model/events.ts';
import type { Silence } from '../model/silence.ts';
import type { AnomalyFigures } from '../store/master-figures.ts';
import type { ExpectedValues } from './anomaly/seasons.ts';

/** As the settings say. */
export interface AlertsSettings {
  readonly dataDir: string;
  /** ALERT_RULES, absolute; undefined: only the shipped rules. */
  readonly path: string | undefined;
  /** ALERT_COMMANDS=on. */
  readonly allowsCommands: boolean;
  /** RETENTION: how long an alert fires without values, if its rule does not say. */
  readonly noDataAfterMs: number;
  /** PUBLIC_URL, or the address of HTTP; empty: nobody can open the dashboard. */
  readonly publicUrl: string;
  /** What people cannot do with links that a receiver other than the log gets; undefined: nothing. */
  readonly linkWarning?: string | undefined;
  /** Of commands that receivers run; the thread itself has no environment. */
  readonly commandEnvironment: Readonly<Record<string, string>>;
  /** TIME_ZONE; undefined: that of the machine. */
  readonly timeZone: string | undefined;
}

/** What was read of a rule file, and of the secret files that it names, by their path. Never logged. */
export interface RuleSource {
  readonly path: string;
  readonly text: string;
  readonly files: Readonly<Record<string, string>>;
}

export type ToAlerts =
  /** All workers are known: begin, with these rules. They were found right before. Undefined: only the shipped ones. */
  | { readonly type: 'begin'; readonly source: RuleSource | undefined; readonly settings: AlertsSettings }
  /** Answered by `reply`. */
  | { readonly type: 'command'; readonly id: number; readonly command: AlertCommand };

export type FromAlerts =
  /** Alerts that changed, in parts; the first part after a start says so. */
  | { readonly type: 'alerts'; readonly changes: AlertChanges }
  | { readonly type: 'rules'; readonly loaded: LoadedRules; readonly source: RuleSource | undefined }
  | { readonly type: 'status'; readonly status: AlertsStatus }
  | { readonly type: 'silences'; readonly silences: readonly Silence[] }
  /** Alerts that began to fire, or are over: in the order in which it happened. */
  | { readonly type: 'events'; readonly events: readonly NewEvent[] }
  /** What lanes are to expect of some workers in this hour. */
  | { readonly type: 'expected'; readonly workers: readonly ExpectedValues[] }
  /** How many workers are unusual; if that has changed. */
  | { readonly type: 'anomalies'; readonly figures: AnomalyFigures }
  | { readonly type: 'reply'; readonly id: number; readonly reply: AlertReply }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      /** For programs that read the log. */
      readonly fields?: Readonly<Record<string, unknown>>;
    };
