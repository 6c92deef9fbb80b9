/** The entry of the alerts thread, and its composition root: it joins alerts/ with what history/ offers of the past. */

import type { FromAlerts, ToAlerts } from '../../alerts/messages.ts';
import { type AlertsParts, runAlerts } from '../../alerts/port-side.ts';
import { parseRules } from '../../alerts/rules/parse-rules.ts';
import { systemClock } from '../../lib/clock.ts';
import { portOf } from '../../lib/ports.ts';
import { takeThreadStart } from '../../lib/thread-start.ts';
import { readFor } from '../../reading/reader-thread.ts';
import { watchAnomalies } from './anomalies.ts';
import { makeEvaluation } from './evaluation.ts';
import { makeNotices } from './notices.ts';
import type { AlertsThreadData } from './thread-data.ts';

const { port, data } = takeThreadStart<AlertsThreadData>();
const parts: AlertsParts = {
  parse: parseRules,
  makeEvaluation: (directory, _, log) => makeEvaluation(directory, data.past, log),
  makeNotices,
  ...(data.anomalies && { watchAnomalies: (...told) => watchAnomalies(data.past, ...told) }),
};
readFor<ToAlerts, FromAlerts>(portOf(port), data, (reading) => runAlerts(reading, parts, systemClock));
