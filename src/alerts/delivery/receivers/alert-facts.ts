/** What receivers say of an alert. Its texts may come from workers: of any length, with any characters. */
import { createHash } from 'node:crypto';
import { shortText } from '../../../lib/foreign-text.ts';
import type { Alert } from '../../../model/alert.ts';
import { MAX_ANNOTATION_LENGTH, MAX_LABEL_LENGTH } from './receiver-limits.ts';

export type Texts = Readonly<Record<string, string>>;

export function isResolved({ state }: Alert): boolean {
  return state === 'resolved';
}

export function startedUnixMs({ firingSinceUnixMs, pendingSinceUnixMs }: Alert): number {
  return firingSinceUnixMs ?? pendingSinceUnixMs;
}

/** Labels are an alert's identity, so a value that is cut keeps a mark of the whole. */
export function labelsOf({ labels }: Alert): Texts {
  return mapped(labels, (value) => {
    if (value.length <= MAX_LABEL_LENGTH) return value;
    const mark = createHash('sha256').update(value).digest('hex').slice(0, 16);
    return `${shortText(value, MAX_LABEL_LENGTH - mark.length - 1)} ${mark}`;
  });
}

/** With `closed_because`, if it is resolved, `no_data_since`, if it fires without values, and `runbook_url`. */
export function annotationsOf(alert: Alert): Texts {
  const { annotations, closedBecause, noDataSinceUnixMs, runbookUrl } = alert;
  const all = {
    ...(runbookUrl === null ? {} : { runbook_url: runbookUrl }),
    ...annotations,
    ...(isResolved(alert) && closedBecause !== null ? { closed_because: closedBecause } : {}),
    ...(!isResolved(alert) && noDataSinceUnixMs !== null ? { no_data_since: isoTime(noDataSinceUnixMs) } : {}),
  };
  return mapped(all, (value) => shortText(value, MAX_ANNOTATION_LENGTH));
}

/** What all of them have, with the same value. */
export function commonOf(all: readonly Texts[]): Texts {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((one) => one[name] === value)),
  );
}

export function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

function mapped(texts: Texts, change: (value: string) => string): Texts {
  // Other programs refuse text that is not well-formed Unicode.
  return Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, change(value).toWellFormed()]));
}
