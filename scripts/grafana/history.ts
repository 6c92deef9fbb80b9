/** The dashboard of history in PostgreSQL: what Prometheus does not keep: tasks, events, gaps, and months of values. */
import type { Plan, SqlTarget } from './dashboard.ts';
import { bars, NONE_IS_BETTER, series, stat, table } from './panels.ts';

const OF_WORKER = 'worker IN ($worker)';
/** An hour is rolled up when it is over; until then its samples are read. See docs/postgresql.md. */
const THIS_HOUR = "at >= date_trunc('hour', now(), 'UTC')";

/** As a quoted SQL text: metrics may have any name. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
const METRIC = '${metric:sqlstring}';

const lines = (...parts: readonly string[]) => parts.join('\n');
const overTime = (...parts: readonly string[]): SqlTarget[] => [{ rawSql: lines(...parts), format: 'time_series' }];
const asTable = (...parts: readonly string[]): SqlTarget[] => [{ rawSql: lines(...parts), format: 'table' }];

/** Means of each minute, or of each step if that is longer. @param share what a value is divided by */
const usage = (title: string, column: string, unit: string, share: number) =>
  series({
    title,
    description: 'Means of each worker. Ranges that HISTORY_1M no longer covers: see the panels by hour.',
    unit,
    targets: overTime(
      `SELECT $__timeGroup(start, '$__interval') AS time, worker AS metric,`,
      `  sum(${column}_sum) / nullif(sum(${column}_count), 0) / ${share} AS value`,
      `FROM pulselane.samples_1m WHERE $__timeFilter(start) AND ${OF_WORKER} GROUP BY 1, 2`,
      'UNION ALL',
      `SELECT $__timeGroup(at, '$__interval'), worker, avg(${column}) / ${share}`,
      `FROM pulselane.samples WHERE $__timeFilter(at) AND ${THIS_HOUR} AND ${OF_WORKER} GROUP BY 1, 2`,
      'ORDER BY time',
    ),
  });

export const HISTORY: Plan = {
  uid: 'pulselane-history',
  title: 'Pulselane / History (PostgreSQL)',
  description: 'History that a master keeps in PostgreSQL: tasks, events, gaps, and values over months.',
  datasource: 'postgres',
  from: 'now-24h',
  refresh: '1m',
  variables: [
    {
      name: 'worker',
      label: 'Worker',
      query: 'SELECT worker FROM pulselane.workers ORDER BY worker',
      multi: true,
      all: null,
    },
    {
      name: 'metric',
      label: 'Custom metric',
      query: `SELECT DISTINCT substr(metric, 9) FROM pulselane.worker_metrics, unnest(metrics) AS one (metric) WHERE metric LIKE 'metrics.%' ORDER BY 1`,
    },
  ],
  annotations: [
    {
      name: 'States',
      color: 'orange',
      title: '',
      target: {
        format: 'table',
        rawSql: lines(
          `SELECT at AS time, worker || ' became ' || to_state || coalesce(': ' || cause, '') AS text`,
          `FROM pulselane.events WHERE $__timeFilter(at) AND type = 'state' AND to_state IN ('inactive', 'left') AND ${OF_WORKER} ORDER BY at`,
        ),
      },
    },
    {
      name: 'Master started',
      color: 'blue',
      title: '',
      target: {
        format: 'table',
        rawSql: lines(
          `SELECT started_at AS time, 'the master started' AS text`,
          'FROM pulselane.runs WHERE $__timeFilter(started_at) ORDER BY started_at',
        ),
      },
    },
  ],
  rows: [
    {
      title: 'What happened?',
      panels: [
        stat({
          title: 'Became inactive',
          description: 'How often workers fell silent without a farewell, in the shown time.',
          width: 4,
          thresholds: NONE_IS_BETTER,
          targets: asTable(
            `SELECT count(*) AS times FROM pulselane.events`,
            `WHERE $__timeFilter(at) AND type = 'state' AND to_state = 'inactive' AND ${OF_WORKER}`,
          ),
        }),
        stat({
          title: 'Failed tasks',
          description: 'Runs of tasks that failed, were killed, or vanished with their worker, in the shown time.',
          width: 4,
          thresholds: NONE_IS_BETTER,
          targets: asTable(
            'SELECT count(*) AS tasks FROM pulselane.task_runs',
            `WHERE $__timeFilter(last_seen) AND outcome IN ('failed', 'killed', 'vanished') AND ${OF_WORKER}`,
          ),
        }),
        stat({
          title: 'Finished tasks',
          description: 'Runs of tasks that finished, in the shown time.',
          width: 4,
          targets: asTable(
            'SELECT count(*) AS tasks FROM pulselane.task_runs',
            `WHERE $__timeFilter(last_seen) AND outcome = 'finished' AND ${OF_WORKER}`,
          ),
        }),
        stat({
          title: 'Lost samples',
          description: 'Samples that history lacks, in the shown time. The table of gaps has the reasons.',
          width: 4,
          thresholds: NONE_IS_BETTER,
          targets: asTable('SELECT coalesce(sum(lost), 0) AS samples FROM pulselane.gaps WHERE $__timeFilter(from_at)'),
        }),
        bars({
          title: 'Became inactive most often',
          description: 'In the shown time.',
          width: 8,
          height: 4,
          perRow: true,
          thresholds: NONE_IS_BETTER,
          targets: asTable(
            'SELECT worker, count(*) AS times FROM pulselane.events',
            `WHERE $__timeFilter(at) AND type = 'state' AND to_state = 'inactive' AND ${OF_WORKER}`,
            'GROUP BY worker ORDER BY times DESC LIMIT 10',
          ),
        }),
        table({
          title: 'Events',
          description: 'The newest 200 of the shown time.',
          width: 12,
          sortBy: { name: 'Time', desc: true },
          targets: asTable(
            'SELECT at, worker, type, from_state, to_state, cause, detail FROM pulselane.events',
            `WHERE $__timeFilter(at) AND (worker IS NULL OR ${OF_WORKER}) ORDER BY at DESC LIMIT 200`,
          ),
          columns: [
            { from: 'at', name: 'Time' },
            { from: 'worker', name: 'Worker' },
            { from: 'type', name: 'Event' },
            { from: 'from_state', name: 'From' },
            { from: 'to_state', name: 'To' },
            { from: 'cause', name: 'Cause' },
            { from: 'detail', name: 'Detail' },
          ],
        }),
        table({
          title: 'Times without samples',
          description: 'Why there is nothing there, and how many samples are missing.',
          width: 12,
          sortBy: { name: 'From', desc: true },
          targets: asTable(
            `SELECT coalesce(worker, 'all workers') AS worker, from_at, to_at, reason, lost FROM pulselane.times_without_samples`,
            `WHERE $__timeFilter(from_at) AND (worker IS NULL OR ${OF_WORKER}) ORDER BY from_at DESC LIMIT 200`,
          ),
          columns: [
            { from: 'worker', name: 'Worker' },
            { from: 'from_at', name: 'From' },
            { from: 'to_at', name: 'Until' },
            { from: 'reason', name: 'Reason' },
            { from: 'lost', name: 'Lost samples' },
          ],
        }),
      ],
    },
    {
      title: 'Values',
      panels: [
        usage('CPU', 'cpu_usage', 'percentunit', 100),
        usage('Memory', 'memory_usage', 'percentunit', 100),
        usage('Storage', 'storage_usage', 'percentunit', 100),
        usage('GPU', 'gpu_usage', 'percentunit', 100),
        usage('Running tasks', 'running_tasks', 'short', 1),
        series({
          title: '$metric',
          description: 'A custom metric: means of each worker and minute.',
          targets: overTime(
            `SELECT start AS time, worker AS metric, (metrics->${METRIC}->>'sum')::float8 / nullif((metrics->${METRIC}->>'count')::float8, 0) AS value`,
            `FROM pulselane.samples_1m WHERE $__timeFilter(start) AND metrics ? ${METRIC} AND ${OF_WORKER}`,
            'UNION ALL',
            `SELECT date_trunc('minute', at), worker, avg((metrics->>${METRIC})::float8)`,
            `FROM pulselane.samples WHERE $__timeFilter(at) AND ${THIS_HOUR} AND metrics ? ${METRIC} AND ${OF_WORKER} GROUP BY 1, 2`,
            'ORDER BY time',
          ),
        }),
        series({
          title: 'CPU by hour, for months',
          description: 'Mean and peak over the chosen workers.',
          unit: 'percentunit',
          targets: overTime(
            'SELECT start AS time, sum(cpu_usage_sum) / nullif(sum(cpu_usage_count), 0) / 100 AS mean, max(cpu_usage_max) / 100 AS peak',
            `FROM pulselane.samples_1h WHERE $__timeFilter(start) AND ${OF_WORKER} GROUP BY start ORDER BY time`,
          ),
        }),
        series({
          title: 'Memory by hour, for months',
          description: 'Mean and peak over the chosen workers.',
          unit: 'percentunit',
          targets: overTime(
            'SELECT start AS time, sum(memory_usage_sum) / nullif(sum(memory_usage_count), 0) / 100 AS mean, max(memory_usage_max) / 100 AS peak',
            `FROM pulselane.samples_1h WHERE $__timeFilter(start) AND ${OF_WORKER} GROUP BY start ORDER BY time`,
          ),
        }),
      ],
    },
    {
      title: 'Tasks',
      panels: [
        table({
          title: 'Runs',
          description: 'What ran where, and how it ended: the newest 200 of the shown time.',
          width: 16,
          sortBy: { name: 'Started', desc: true },
          targets: asTable(
            'SELECT worker, task_id, first_seen, last_seen, extract(epoch FROM last_seen - first_seen)::float8 AS seconds, outcome, exit_code',
            `FROM pulselane.task_runs WHERE $__timeFilter(first_seen) AND ${OF_WORKER} ORDER BY first_seen DESC LIMIT 200`,
          ),
          columns: [
            { from: 'worker', name: 'Worker' },
            { from: 'task_id', name: 'Task' },
            { from: 'first_seen', name: 'Started' },
            { from: 'last_seen', name: 'Last seen' },
            { from: 'seconds', name: 'Duration', unit: 's' },
            { from: 'outcome', name: 'Outcome' },
            { from: 'exit_code', name: 'Exit code' },
          ],
        }),
        series({
          title: 'Ends of tasks',
          description: 'By outcome.',
          width: 8,
          height: 10,
          bars: true,
          stacked: true,
          targets: overTime(
            `SELECT $__timeGroup(last_seen, '$__interval') AS time, outcome AS metric, count(*) AS value`,
            `FROM pulselane.task_runs WHERE $__timeFilter(last_seen) AND outcome <> 'running' AND ${OF_WORKER} GROUP BY 1, 2 ORDER BY time`,
          ),
        }),
      ],
    },
  ],
};
