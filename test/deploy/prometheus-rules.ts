/** The rules of deploy/prometheus/, and what metrics an expression names. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Family } from '../../src/metrics/family.ts';
import { MASTER_FAMILIES } from '../../src/metrics/master/families.ts';
import { defaultMetrics } from '../../src/metrics/master/process-metrics.ts';
import { SCRAPE_FAMILIES } from '../../src/metrics/scrape/scrape-families.ts';
import { WORKER_FAMILIES } from '../../src/metrics/workers/families.ts';
import { ROOT } from '../support/doc-pages.ts';

export const PROMETHEUS_FOLDER = `${ROOT}deploy/prometheus/`;
export const RULE_FILES = ['pulselane-recording.yml', 'pulselane-alerts.yml'] as const;

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const RULES: readonly Rule[] = RULE_FILES.flatMap((file) => {
  const { groups } = parse(readFileSync(PROMETHEUS_FOLDER + file, 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
});

export const ALERTS = RULES.filter((rule) => rule.alert !== undefined);
export const RECORDED = RULES.flatMap(({ record }) => record ?? []);

const SUFFIXES: Readonly<Record<Family['type'], readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  stateset: [''],
  info: ['_info'],
  histogram: ['_bucket', '_count', '_sum'],
};

/** The names of all series that the master may expose, besides custom metrics. */
export const EXPOSED: ReadonlySet<string> = new Set(
  [...MASTER_FAMILIES, ...SCRAPE_FAMILIES, ...WORKER_FAMILIES]
    .flatMap(({ name, type }) => SUFFIXES[type].map((suffix) => name + suffix))
    .concat(
      defaultMetrics(() => true)
        .getMetricsAsArray()
        .map(({ name }) => name),
    ),
);

/** The metrics of ours that an expression names, and recorded ones. */
export function metricsIn(expr: string): string[] {
  const withoutTexts = expr.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = withoutTexts.match(/[a-zA-Z_:][\w:]*/g) ?? [];
  return names.filter((name) => /^(?:pulselane|process|nodejs)_|:/.test(name));
}
