/** What an answer of `GET /metrics` says about itself. */
import type { Family, FamilyWithSeries } from '../family.ts';

export interface ScrapeCounts {
  readonly series: number;
  readonly cutSeries: number;
  readonly collisions: number;
  readonly leftOut: number;
  readonly unreadable: number;
}

interface ScrapeFamily extends Family {
  readonly read: (counts: ScrapeCounts) => number;
}

export const SCRAPE_FAMILIES: readonly ScrapeFamily[] = [
  {
    name: 'pulselane_metrics_worker_series',
    type: 'gauge',
    help: 'Series of workers in this answer.',
    read: ({ series }) => series,
  },
  {
    name: 'pulselane_metrics_cut_series',
    type: 'gauge',
    help: 'Series of workers that METRICS_MAX_SERIES leaves out of this answer.',
    read: ({ cutSeries }) => cutSeries,
  },
  {
    name: 'pulselane_metrics_custom_collisions',
    type: 'gauge',
    help: 'Custom metrics of workers without a series, because another name of the same worker becomes the same in this format.',
    read: ({ collisions }) => collisions,
  },
  {
    name: 'pulselane_metrics_custom_left_out',
    type: 'gauge',
    help: 'Custom metrics of workers without a series, because their name is too long, or their worker or all workers together have too many names.',
    read: ({ leftOut }) => leftOut,
  },
  {
    name: 'pulselane_metrics_unreadable_workers',
    type: 'gauge',
    help: 'Workers whose record could not be read: their usages, GPUs and custom metrics are those of their record before.',
    read: ({ unreadable }) => unreadable,
  },
];

export function scrapeFamilies(counts: ScrapeCounts): FamilyWithSeries[] {
  return SCRAPE_FAMILIES.map(({ read, ...family }) => ({ family, series: [{ labels: [], value: read(counts) }] }));
}
