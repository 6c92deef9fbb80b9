/** The kinds of panels, each as we use it. */
import type { Json, Panel, PrometheusTarget, Target } from './dashboard.ts';

/** A value from which on a colour counts. */
export type Threshold = readonly [from: number, color: string];

/** Any value is good, or none above 0 is. */
export const NEUTRAL: readonly Threshold[] = [];
export const NONE_IS_GOOD: readonly Threshold[] = [[1, 'red']];
export const NONE_IS_BETTER: readonly Threshold[] = [[1, 'orange']];
/** Of what is used up: memory, storage. */
export const USED_UP: readonly Threshold[] = [
  [0.8, 'orange'],
  [0.95, 'red'],
];

interface Common {
  readonly title: string;
  readonly description: string;
  readonly targets: readonly Target[];
  /** As Grafana names it: `percentunit` is a ratio, `bytes` has binary prefixes. */
  readonly unit?: string;
  readonly width?: number;
  readonly height?: number;
  readonly thresholds?: readonly Threshold[];
  /** A dashboard that has more, with variables. */
  readonly links?: readonly Json[];
}

/** Series of a word for each value: `up` and `down` for 1 and 0. */
export interface Word {
  readonly value: number;
  readonly text: string;
  readonly color: string;
}

export const IS_UP: readonly Word[] = [
  { value: 0, text: 'down', color: 'red' },
  { value: 1, text: 'up', color: 'green' },
];

/** The last value, large, with a line of what it was. */
export function stat({
  words = [],
  width = 3,
  height = 4,
  ...common
}: Common & { readonly words?: readonly Word[] }): Panel {
  return {
    type: 'stat',
    ...placed(common, width, height),
    fieldConfig: fields(common, { mappings: mappingsOf(words), noValue: 'no data' }),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      orientation: 'auto',
      colorMode: 'background',
      graphMode: 'area',
      justifyMode: 'auto',
      textMode: 'auto',
    },
  };
}

export function series({
  stacked = false,
  bars = false,
  max,
  width = 12,
  height = 8,
  ...common
}: Common & { readonly stacked?: boolean; readonly bars?: boolean; readonly max?: number }): Panel {
  const custom = {
    drawStyle: bars ? 'bars' : 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    fillOpacity: bars ? 60 : stacked ? 25 : 5,
    gradientMode: 'none',
    showPoints: 'never',
    // A gap is a gap: nobody measured there.
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: (common.thresholds ?? []).length > 0 ? 'dashed' : 'off' },
    axisPlacement: 'auto',
    scaleDistribution: { type: 'linear' },
  };
  return {
    type: 'timeseries',
    ...placed(common, width, height),
    fieldConfig: fields(common, {
      custom,
      color: { mode: 'palette-classic' },
      min: 0,
      ...(max === undefined ? {} : { max }),
    }),
    options: {
      legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

/** The same for values that may be negative. */
export function signedSeries(panel: Parameters<typeof series>[0]): Panel {
  const made = series(panel);
  const { min: _, ...defaults } = made.fieldConfig.defaults;
  return { ...made, fieldConfig: { ...made.fieldConfig, defaults } };
}

/** One bar per series, with the last value; or one per row of a table. */
export function bars({
  width = 8,
  height = 8,
  max,
  perRow = false,
  ...common
}: Common & { readonly max?: number; readonly perRow?: boolean }): Panel {
  return {
    type: 'bargauge',
    ...placed(common, width, height),
    fieldConfig: fields(common, { min: 0, ...(max === undefined ? {} : { max }), noValue: 'none' }),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: perRow },
      orientation: 'horizontal',
      displayMode: 'basic',
      valueMode: 'color',
      showUnfilled: true,
      minVizWidth: 0,
      minVizHeight: 10,
    },
  };
}

/** One line per series, coloured by the word for its value. */
export function timeline({
  words,
  width = 24,
  height = 8,
  ...common
}: Common & { readonly words: readonly Word[] }): Panel {
  return {
    type: 'state-timeline',
    ...placed(common, width, height),
    fieldConfig: fields(common, {
      custom: { lineWidth: 0, fillOpacity: 80, spanNulls: false },
      mappings: mappingsOf(words),
      noValue: 'none',
    }),
    options: {
      mergeValues: true,
      showValue: 'auto',
      alignValue: 'left',
      rowHeight: 0.9,
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'single', sort: 'none' },
    },
  };
}

/** Of the buckets of a histogram. */
export function heatmap({ width = 12, height = 8, ...common }: Common): Panel {
  return {
    type: 'heatmap',
    ...placed(common, width, height),
    fieldConfig: { defaults: { custom: { scaleDistribution: { type: 'linear' } } }, overrides: [] },
    options: {
      calculate: false,
      cellGap: 1,
      color: {
        mode: 'scheme',
        scheme: 'Oranges',
        steps: 64,
        exponent: 0.5,
        fill: 'dark-orange',
        reverse: false,
        scale: 'exponential',
      },
      filterValues: { le: 1e-9 },
      rowsFrame: { layout: 'auto' },
      yAxis: { unit: common.unit ?? 'short', axisPlacement: 'left', reverse: false },
      cellValues: {},
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      legend: { show: true },
      tooltip: { show: true, yHistogram: true },
    },
  };
}

/** How a column is shown. */
export interface Column {
  /** Of a query: `Value #A`; of a label: its name. */
  readonly from: string;
  readonly name: string;
  readonly unit?: string;
  readonly thresholds?: readonly Threshold[];
  readonly words?: readonly Word[];
  /** Where a click leads; `${__value.raw}` is the value. */
  readonly url?: string;
}

/** A line per worker, or whatever its first label is; instant queries whose labels are columns. */
export function table({
  columns,
  sortBy,
  width = 24,
  height = 10,
  ...common
}: Common & {
  readonly columns: readonly Column[];
  readonly sortBy: { readonly name: string; readonly desc: boolean };
}): Panel {
  const isQuery = common.targets.some((target) => 'expr' in target);
  const rename = Object.fromEntries(columns.map(({ from, name }) => [from, name]));
  const order = Object.fromEntries(columns.map(({ from }, index) => [from, index]));
  return {
    type: 'table',
    ...placed(common, width, height),
    fieldConfig: {
      defaults: {
        custom: { align: 'auto', cellOptions: { type: 'auto' }, filterable: true, inspect: false },
        noValue: '–',
      },
      overrides: columns.flatMap((column) => {
        const properties = propertiesOf(column);
        return properties.length === 0 ? [] : [{ matcher: { id: 'byName', options: column.name }, properties }];
      }),
    },
    options: {
      showHeader: true,
      cellHeight: 'sm',
      sortBy: [{ displayName: sortBy.name, desc: sortBy.desc }],
      footer: { show: false, reducer: ['sum'], countRows: false, fields: '' },
    },
    transformations: [
      ...(isQuery ? [{ id: 'merge', options: {} }] : []),
      {
        id: 'organize',
        options: { excludeByName: isQuery ? { Time: true } : {}, indexByName: order, renameByName: rename },
      },
    ],
  };
}

function propertiesOf({ unit, thresholds, words, url }: Column): Json[] {
  const isColored = thresholds !== undefined || words !== undefined;
  return [
    ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
    ...(thresholds === undefined ? [] : [{ id: 'thresholds', value: thresholdsOf(thresholds) }]),
    ...(words === undefined ? [] : [{ id: 'mappings', value: mappingsOf(words) }]),
    ...(isColored ? [{ id: 'custom.cellOptions', value: { type: 'color-text' } }] : []),
    ...(url === undefined ? [] : [{ id: 'links', value: [{ title: 'Show', url, targetBlank: false }] }]),
  ];
}

/** An instant query for a table. */
export function column(expr: string): PrometheusTarget {
  return { expr, instant: true, format: 'table' };
}

function placed({ title, description, targets, links }: Common, width: number, height: number) {
  return { title, description, targets, width, height, ...(links === undefined ? {} : { links }) };
}

function fields({ unit = 'short', thresholds = NEUTRAL }: Common, more: Json): Panel['fieldConfig'] {
  return {
    defaults: {
      unit,
      color: { mode: 'thresholds' },
      thresholds: thresholdsOf(thresholds),
      ...more,
    },
    overrides: [],
  };
}

/** Below the first one all is well. */
function thresholdsOf(thresholds: readonly Threshold[]): Json {
  const base = { color: thresholds.length === 0 ? 'blue' : 'green', value: null };
  return { mode: 'absolute', steps: [base, ...thresholds.map(([value, color]) => ({ color, value }))] };
}

function mappingsOf(words: readonly Word[]): Json[] {
  if (words.length === 0) return [];
  const options = Object.fromEntries(
    words.map(({ value, text, color }, index) => [String(value), { text, color, index }]),
  );
  return [{ type: 'value', options }];
}
