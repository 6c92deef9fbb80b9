/** Generates the tables of docs/metrics.md from the families: `npm run generate`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Family, FamilyType } from '../src/metrics/family.ts';
import { MASTER_FAMILIES } from '../src/metrics/master/families.ts';
import { isNodeMetric } from '../src/metrics/master/node-metrics.ts';
import { defaultMetrics, isProcessMetric } from '../src/metrics/master/process-metrics.ts';
import { familyOf } from '../src/metrics/master/prom-families.ts';
import { SCRAPE_FAMILIES } from '../src/metrics/scrape/scrape-families.ts';
import { WORKER_FAMILIES, type WorkerFamily } from '../src/metrics/workers/families.ts';

const PAGE = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));

interface Row extends Family {
  readonly labels: readonly string[];
  /** More of its meaning. */
  readonly also?: string;
}

/** Returns the page with its tables replaced by those of the families. */
export function withMetrics(page: string): string {
  return Object.entries(tables()).reduce((text, [name, rows]) => withTable(text, name, rows), page);
}

function tables(): Readonly<Record<string, readonly Row[]>> {
  return {
    master: MASTER_FAMILIES,
    workers: WORKER_FAMILIES.map((family) => ({
      ...family,
      labels: labelsOf(family),
      ...(family.lifetime === 'active' ? { also: 'Only while the worker is active.' } : {}),
    })),
    scrape: SCRAPE_FAMILIES.map((family) => ({ ...family, labels: [] })),
    process: promRows(isProcessMetric),
    node: promRows(isNodeMetric),
  };
}

function labelsOf(family: WorkerFamily): readonly string[] {
  switch (family.shape) {
    case 'number':
      return ['worker'];
    case 'state':
      return ['worker', family.stateLabel];
    case 'info':
      return ['worker', '…'];
    case 'device':
      return ['worker', 'gpu', 'uuid', 'mig'];
    default:
      return family satisfies never;
  }
}

const PROM_LABELS: Readonly<Record<string, readonly string[]>> = {
  nodejs_gc_duration_seconds: ['kind'],
  nodejs_version: ['version', 'major', 'minor', 'patch'],
};

function promRows(isWanted: (name: string) => boolean): Row[] {
  const metrics = defaultMetrics(isWanted).getMetricsAsArray() as readonly {
    readonly name: string;
    readonly help: string;
    readonly type: unknown;
  }[];
  return metrics.map(({ name, help, type }) => {
    const family = familyOf({ name, help, type: String(type) });
    const labels = PROM_LABELS[family.name] ?? (family.name.includes('_space_') ? ['space'] : []);
    return { ...family, labels };
  });
}

const SUFFIXES: Readonly<Partial<Record<FamilyType, string>>> = { counter: '_total', info: '_info' };

function withTable(page: string, name: string, rows: readonly Row[]): string {
  const [begin, end] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/metrics.md has no ${begin} … ${end}`);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const lines = rows.map(({ name: family, type, unit, help, labels, also }) =>
    line([
      `\`${family}${SUFFIXES[type] ?? ''}\``,
      type,
      unit ?? '',
      labels.map((label) => (label === '…' ? label : `\`${label}\``)).join(', '),
      also === undefined ? help : `${help} ${also}`,
    ]),
  );
  const table = [line(['metric', 'type', 'unit', 'labels', 'meaning']), line(Array(5).fill('---')), ...lines].join(
    '\n',
  );
  return `${page.slice(0, from)}${begin}\n\n${table}\n\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(PAGE, withMetrics(readFileSync(PAGE, 'utf8')));
