/** Joins rules/ with what receivers may have. */
import type { ParseRules } from '../../alerts/parts.ts';

export const parseRules: ParseRules = (_text, { path }) => ({
  rules: {
    evaluationIntervalMs: 5000,
    rules: [],
    disabled: [],
    receivers: [],
    route: {
      receiver: 'log',
      groupBy: ['alertname'],
      groupWaitMs: 2000,
      groupIntervalMs: 5000,
      repeatIntervalMs: 4 * 3600 * 1000,
      match: [],
      muteTimes: [],
      continues: false,
      routes: [],
    },
    inhibitions: [],
    muteTimes: [],
    path,
  },
});
