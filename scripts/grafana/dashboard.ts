/**
 * Grafana's dashboards as data, in the Classic schema, which every version imports: a fixed `uid`, no `id`, and the data source as a
 * variable. See https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
 */

/** What Grafana 10 writes; later versions migrate it when they load it. */
const SCHEMA_VERSION = 39;

/** How Grafana's editor shows the query of a variable: as one for the values of a label. */
const LABEL_VALUES = 1;

export const COLUMNS = 24;

export interface PrometheusTarget {
  readonly expr: string;
  /** The name of each series; labels in double braces. */
  readonly legendFormat?: string;
  /** The value at the end of the time, instead of over the time. */
  readonly instant?: boolean;
  readonly format?: 'time_series' | 'table' | 'heatmap';
}

export interface SqlTarget {
  readonly rawSql: string;
  readonly format: 'time_series' | 'table';
}

export type Target = PrometheusTarget | SqlTarget;

export interface Panel {
  readonly type: 'stat' | 'timeseries' | 'table' | 'state-timeline' | 'heatmap' | 'bargauge';
  readonly title: string;
  /** What it shows, and what to do if it looks wrong. */
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Target[];
  readonly fieldConfig: { readonly defaults: Json; readonly overrides: readonly Json[] };
  readonly options: Json;
  readonly transformations?: readonly Json[];
  readonly links?: readonly Json[];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A variable whose values come from a query. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly query: string;
  readonly multi?: boolean;
  /** A first choice that stands for all: what it is in queries; null: all values, one by one. Absent: there is none. */
  readonly all?: string | null;
}

export interface Annotation {
  readonly name: string;
  readonly target: Target;
  readonly title: string;
  readonly color: string;
}

export interface Plan {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** The kind of the data source, as Grafana names its plugin. */
  readonly datasource: 'prometheus' | 'postgres';
  readonly variables: readonly Variable[];
  readonly annotations: readonly Annotation[];
  readonly rows: readonly Row[];
  /** The span that it opens with. */
  readonly from: string;
  /** How often it refreshes. */
  readonly refresh: string;
}

export type Json = Readonly<Record<string, unknown>>;

export function dashboardOf(plan: Plan) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
  const datasource = { type: plan.datasource, uid: '${datasource}' };
  return {
    uid: plan.uid,
    title: plan.title,
    description: plan.description,
    tags: ['pulselane'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    fiscalYearStartMonth: 0,
    weekStart: '',
    timezone: '',
    liveNow: false,
    time: { from: plan.from, to: 'now' },
    timepicker: {},
    refresh: plan.refresh,
    links: [
      {
        type: 'dashboards',
        title: 'Pulselane',
        tags: ['pulselane'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        icon: 'external link',
        tooltip: '',
        url: '',
      },
    ],
    annotations: { list: plan.annotations.map((annotation) => annotationOf(annotation, datasource)) },
    templating: {
      list: [dataSourceVariable(plan.datasource), ...plan.variables.map((one) => variableOf(one, datasource))],
    },
    panels: panelsOf(plan.rows, datasource),
  };
}

function annotationOf({ name, target, title, color }: Annotation, datasource: Json): Json {
  const own =
    'expr' in target
      ? { expr: target.expr, step: '60s', titleFormat: title, textFormat: '', tagKeys: '' }
      : { ...target, editorMode: 'code', rawQuery: true };
  return { name, datasource, enable: true, hide: false, iconColor: color, target: { refId: 'Anno', ...own }, ...own };
}

function dataSourceVariable(kind: Plan['datasource']): Json {
  return {
    name: 'datasource',
    label: 'Data source',
    type: 'datasource',
    query: kind,
    regex: '',
    current: {},
    hide: 0,
    includeAll: false,
    multi: false,
    options: [],
    refresh: 1,
    skipUrlSync: false,
  };
}

function variableOf({ name, label, query, multi = false, all }: Variable, datasource: Json): Json {
  const isPrometheus = datasource.type === 'prometheus';
  return {
    name,
    label,
    type: 'query',
    datasource,
    definition: query,
    query: isPrometheus ? { query, refId: `Variable-${name}`, qryType: LABEL_VALUES } : query,
    regex: '',
    // Values are read anew when the time changes.
    refresh: 2,
    sort: 1,
    multi,
    includeAll: all !== undefined,
    ...(typeof all === 'string' ? { allValue: all } : {}),
    current:
      all === undefined ? {} : { selected: true, text: multi ? ['All'] : 'All', value: multi ? ['$__all'] : '$__all' },
    hide: 0,
    options: [],
    skipUrlSync: false,
  };
}

/** Rows one below the other; panels from left to right, in a new line when they do not fit. */
function panelsOf(rows: readonly Row[], datasource: Json): Json[] {
  const panels: Json[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    let x = 0;
    let lineHeight = 0;
    for (const { width, height, targets, ...panel } of row.panels) {
      if (x + width > COLUMNS) {
        y += lineHeight;
        x = 0;
        lineHeight = 0;
      }
      panels.push({
        id: panels.length + 1,
        datasource,
        gridPos: { x, y, w: width, h: height },
        targets: targets.map((target, index) => targetOf(target, index, datasource)),
        ...panel,
      });
      x += width;
      lineHeight = Math.max(lineHeight, height);
    }
    y += lineHeight;
  }
  return panels;
}

function targetOf(target: Target, index: number, datasource: Json): Json {
  const refId = String.fromCharCode('A'.charCodeAt(0) + index);
  if ('rawSql' in target) return { refId, datasource, editorMode: 'code', rawQuery: true, ...target };
  const { instant = false, format = 'time_series', legendFormat = '__auto', expr } = target;
  return { refId, datasource, editorMode: 'code', expr, legendFormat, format, instant, range: !instant };
}
