/**
 * What a check says of alerts, by the conventions of Nagios plugins: one code, one line with performance data after `|`, and
 * details below it. Pure. See https://nagios-plugins.org/doc/guidelines.html
 */
import { printable } from '../../lib/printable.ts';
import type { AlertJson } from '../../model/alert-json.ts';
import { age, countOf } from '../text/units.ts';
import type { AlertsProblemItem } from '../views/alert-items.ts';
import { sinceOf, subjectText, whyText } from '../views/alerts-text.ts';
import { isRaised, type ThresholdRange } from './range.ts';

export const CHECK_CODES = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const;
export type CheckStatus = keyof typeof CHECK_CODES;

export interface CheckSettings {
  /** Severities of alerts that are critical, and of those that are OK; all others are warnings. */
  readonly criticalSeverities: readonly string[];
  readonly okSeverities: readonly string[];
  /** Of the number of firing alerts; if one is given, severities do not count. */
  readonly warning: ThresholdRange | undefined;
  readonly critical: ThresholdRange | undefined;
  /** Alerts of which nobody is told count, too. */
  readonly countsQuiet: boolean;
}

export interface CheckFacts {
  /** Firing and pending ones. */
  readonly alerts: readonly AlertJson[];
  /** Null: the rules were not evaluated yet. */
  readonly evaluatedAt: string | null;
  readonly evaluationIntervalMs: number | null;
  readonly problems: readonly AlertsProblemItem[];
  /** By the master's clock. */
  readonly nowMs: number;
}

export interface Verdict {
  readonly status: CheckStatus;
  /** All of it, with a line end. */
  readonly text: string;
}

/** 24 evaluations at the usual interval of 5 s, and three at a longer one: the master no longer judges. */
export const STALE_AFTER_MS = 120_000;
const STALE_AFTER_EVALUATIONS = 3;
/** Nagios keeps 8 KB of output: 20 lines of 300 characters. */
const MAX_LINES = 20;
const MAX_LINE_LENGTH = 300;
/** In the first line, which is a text message for some. */
const MAX_NAMES = 3;

export function verdictOf(facts: CheckFacts, settings: CheckSettings): Verdict {
  const firing = facts.alerts.filter(({ state }) => state === 'firing');
  const counted = settings.countsQuiet ? firing : firing.filter((alert) => !isQuiet(alert));
  const levels = counted.map((alert) => levelOf(alert, settings));
  const perfdata = [
    `firing=${counted.length};${settings.warning?.text ?? ''};${settings.critical?.text ?? ''};0`,
    `critical=${levels.filter((level) => level === 'CRITICAL').length};;;0`,
    `warning=${levels.filter((level) => level === 'WARNING').length};;;0`,
    `pending=${facts.alerts.length - firing.length};;;0`,
    `silent=${firing.filter(isQuiet).length};;;0`,
  ].join(' ');
  const distrust = distrustOf(facts);
  if (distrust !== undefined) return { status: 'UNKNOWN', text: unknownText(distrust, perfdata) };
  const degraded = facts.problems.map(({ detail }) => `alerts are degraded: ${detail}`);
  const worst = statusOf(levels, settings);
  const status = degraded.length > 0 && worst === 'OK' ? 'WARNING' : worst;
  const first = [firingText(counted), ...degraded].join('; ');
  const lines = [`${safe(first)} | ${perfdata}`, ...detailLines(counted, facts.nowMs, settings)];
  return { status, text: `PULSELANE ${status} - ${lines.join('\n')}\n` };
}

/** Of a check that could not be carried out. */
export function unknownText(reason: string, perfdata?: string): string {
  return `PULSELANE UNKNOWN - ${safe(reason)}${perfdata === undefined ? '' : ` | ${perfdata}`}\n`;
}

/** Why nothing can be said; undefined: something can. */
function distrustOf({ evaluatedAt, evaluationIntervalMs, problems, nowMs }: CheckFacts): string | undefined {
  const stopped = problems.find(({ code }) => code === 'thread');
  if (stopped !== undefined) return `the rules are not evaluated: ${stopped.detail}`;
  if (evaluatedAt === null) return 'the rules were not evaluated yet';
  const ageMs = nowMs - Date.parse(evaluatedAt);
  const staleAfterMs = Math.max(STALE_AFTER_MS, STALE_AFTER_EVALUATIONS * (evaluationIntervalMs ?? 0));
  return ageMs > staleAfterMs ? `the rules were not evaluated for ${age(ageMs)}` : undefined;
}

function statusOf(levels: readonly CheckStatus[], { warning, critical }: CheckSettings): CheckStatus {
  const worst = (['CRITICAL', 'WARNING'] as const).find((level) => levels.includes(level)) ?? 'OK';
  if (warning === undefined && critical === undefined) return worst;
  if (critical !== undefined && isRaised(levels.length, critical)) return 'CRITICAL';
  return warning !== undefined && isRaised(levels.length, warning) ? 'WARNING' : 'OK';
}

function levelOf({ severity }: AlertJson, { criticalSeverities, okSeverities }: CheckSettings): CheckStatus {
  if (criticalSeverities.includes(severity)) return 'CRITICAL';
  return okSeverities.includes(severity) ? 'OK' : 'WARNING';
}

/** Nobody is told of it. */
function isQuiet({ silenced_by, inhibited_by, muted_by }: AlertJson): boolean {
  return silenced_by.length + inhibited_by.length + muted_by.length > 0;
}

function firingText(alerts: readonly AlertJson[]): string {
  if (alerts.length === 0) return 'no alert fires';
  const names = alerts.slice(0, MAX_NAMES).map((alert) => `${alert.alert} on ${subjectText(alert)}`);
  const more = alerts.length > MAX_NAMES ? ', …' : '';
  return `${countOf(alerts.length, 'alert')} firing: ${names.join(', ')}${more}`;
}

/** The worst first. */
function detailLines(alerts: readonly AlertJson[], nowMs: number, settings: CheckSettings): string[] {
  const lines = alerts
    .map((alert) => ({ alert, level: levelOf(alert, settings) }))
    .toSorted((a, b) => CHECK_CODES[b.level] - CHECK_CODES[a.level])
    .map(({ alert, level }) => {
      const since = age(Math.max(0, nowMs - sinceOf(alert)));
      const words = `${alert.alert} on ${subjectText(alert)} (${alert.severity}) for ${since}: ${whyText(alert, nowMs)}`;
      return safe(`${level}: ${words}`).slice(0, MAX_LINE_LENGTH);
    });
  return lines.length <= MAX_LINES ? lines : [...lines.slice(0, MAX_LINES), `and ${lines.length - MAX_LINES} more`];
}

/** `|` begins performance data, and a line end the next line: only this file writes them. */
function safe(text: string): string {
  return printable(text.replaceAll(/\s*[\r\n]+\s*/g, ' ')).replaceAll('|', '¦');
}
