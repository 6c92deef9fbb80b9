/** Alerts in the format of Alertmanager's API v2: https://prometheus.io/docs/alerting/latest/clients */
import type { Alert } from '../../../model/alert.ts';
import { validNames } from '../../state/label-names.ts';
import { annotationsOf, isoTime, isResolved, labelsOf, startedUnixMs, type Texts } from './alert-facts.ts';
import { ENDS_AFTER_MS } from './receiver-limits.ts';

export interface PostedAlert {
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
}

export function postedAlert(alert: Alert, nowUnixMs: number): PostedAlert {
  // A clock that was set back must not make an end that is to come: the Alertmanager would go on firing.
  const endedUnixMs = Math.min(alert.resolvedUnixMs ?? nowUnixMs, nowUnixMs - 1);
  const startsUnixMs = startedUnixMs(alert);
  const endsUnixMs = isResolved(alert) ? endedUnixMs : nowUnixMs + ENDS_AFTER_MS;
  return {
    // Their names are valid from the beginning.
    labels: labelsOf(alert),
    annotations: validNames(annotationsOf(alert)),
    // An Alertmanager refuses alerts that end before they start.
    startsAt: isoTime(Math.min(startsUnixMs, endsUnixMs)),
    endsAt: isoTime(endsUnixMs),
    generatorURL: alert.link,
  };
}

const API = '/api/v2/alerts';

/** @param base with or without the path of the API */
export function alertsUrl(base: string): string {
  const url = new URL(base);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(API) ? path : `${path}${API}`;
  return url.href;
}
