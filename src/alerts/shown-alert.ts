/** A record as everyone else sees it. */
import type { Alert } from '../model/alert.ts';
import { alertLink, runbookLink } from './link.ts';
import type { Suppression } from './notify/suppression.ts';
import type { AlertRecord } from './state/record.ts';

/** @param publicUrl base of its links */
export function alertOf(record: AlertRecord, suppression: Suppression, publicUrl: string): Alert {
  const { core, digest: _, before: __, ...shown } = record;
  return {
    ...shown,
    state: core.state,
    isFlapping: core.isFlapping,
    ...suppression,
    runbookUrl: runbookLink(publicUrl, record.runbookUrl),
    link: alertLink(publicUrl, record, metricOf(record.expression)),
  };
}

/** The first field or metric that the expression names: what its chart should show. */
function metricOf(expression: string): string | undefined {
  return /\b(?:cpu|memory|storage|gpu)_usage\b/.exec(expression)?.[0];
}
