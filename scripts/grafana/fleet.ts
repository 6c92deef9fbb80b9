/** The dashboard of the fleet: is anything wrong, where, since when, why. */
import type { Plan } from './dashboard.ts';
import {
  GROUP,
  INSTANCE,
  inGroup,
  METRIC,
  OF_MASTER,
  orZero,
  STATE_WORDS,
  stateNumber,
  WORKER_LINK,
  withGroup,
} from './expressions.ts';
import {
  bars,
  column,
  heatmap,
  IS_UP,
  NONE_IS_BETTER,
  NONE_IS_GOOD,
  series,
  stat,
  table,
  timeline,
  USED_UP,
} from './panels.ts';

const only = (expr: string, legendFormat?: string) => [
  { expr, ...(legendFormat === undefined ? {} : { legendFormat }) },
];

const flag = (family: string) => orZero(`sum(${inGroup(`pulselane_worker_${family}{${OF_MASTER}}`)})`);
const inState = (state: string) => orZero(`sum(${inGroup(`pulselane_worker_state{${OF_MASTER}, state=~"${state}"}`)})`);
const perSecond = (family: string, by: string) =>
  `sum by (${by}) (rate(pulselane_${family}_total{${OF_MASTER}}[$__rate_interval]))`;

const usage = (title: string, family: string) =>
  series({
    title,
    description: 'Mean, 95th percentile and highest of the active workers of the chosen groups.',
    unit: 'percentunit',
    max: 1,
    width: 6,
    targets: [
      { expr: `avg(${inGroup(`pulselane_worker_${family}_usage_ratio{${OF_MASTER}}`)})`, legendFormat: 'mean' },
      {
        expr: `quantile(0.95, ${inGroup(`pulselane_worker_${family}_usage_ratio{${OF_MASTER}}`)})`,
        legendFormat: 'p95',
      },
      { expr: `max(${inGroup(`pulselane_worker_${family}_usage_ratio{${OF_MASTER}}`)})`, legendFormat: 'highest' },
    ],
  });

const busiest = (title: string, family: string) =>
  bars({
    title,
    description: 'The ten workers of the chosen groups that use most of it, now.',
    unit: 'percentunit',
    max: 1,
    width: 8,
    thresholds: USED_UP,
    targets: [
      {
        expr: `topk(10, ${inGroup(`pulselane_worker_${family}_usage_ratio{${OF_MASTER}}`)})`,
        legendFormat: '{{worker}}',
        instant: true,
      },
    ],
  });

export const FLEET: Plan = {
  uid: 'pulselane-fleet',
  title: 'Pulselane / Fleet',
  description: 'All workers and their masters: is anything wrong, where, since when, and why.',
  datasource: 'prometheus',
  from: 'now-3h',
  refresh: '30s',
  variables: [INSTANCE, GROUP, METRIC],
  annotations: [
    {
      name: 'Workers became inactive',
      color: 'red',
      title: '{{instance}}: workers became inactive',
      target: {
        expr: `sum by (instance) (increase(pulselane_state_transitions_total{${OF_MASTER}, to="inactive"}[1m])) > 0`,
      },
    },
    {
      name: 'Master started',
      color: 'blue',
      title: '{{instance}} started',
      target: { expr: `changes(pulselane_start_timestamp_seconds{${OF_MASTER}}[2m]) > 0` },
    },
    {
      name: 'Brake',
      color: 'orange',
      title: '{{instance}}: a group fell silent together',
      target: { expr: `max_over_time(pulselane_brakes{${OF_MASTER}}[1m]) > 0` },
    },
  ],
  rows: [
    {
      title: 'Is anything wrong?',
      panels: [
        stat({
          title: 'Masters',
          description: 'Whether Prometheus can scrape every master. While it cannot, all other panels are of the past.',
          words: IS_UP,
          targets: only(
            `min(up{${OF_MASTER}} and on (job, instance) (last_over_time(pulselane_build_info{${OF_MASTER}}[$__range])))`,
          ),
        }),
        stat({
          title: 'Inactive',
          description: 'Workers that fell silent without a farewell.',
          thresholds: NONE_IS_GOOD,
          targets: only(inState('inactive')),
        }),
        stat({
          title: 'Suspect or unknown',
          description: 'Workers that missed two heartbeats, or were not heard since the master started.',
          thresholds: NONE_IS_BETTER,
          targets: only(inState('suspect|unknown')),
        }),
        stat({
          title: 'Stuck',
          description: 'Workers that send heartbeats but make no progress.',
          thresholds: NONE_IS_BETTER,
          targets: only(flag('stuck')),
        }),
        stat({
          title: 'Flapping',
          description: 'Workers that become inactive and active again and again.',
          thresholds: NONE_IS_BETTER,
          targets: only(flag('flapping')),
        }),
        stat({
          title: 'Brakes',
          description: 'Groups that fell silent together and are not judged for now: their workers count as active.',
          thresholds: NONE_IS_GOOD,
          targets: only(`sum(pulselane_brakes{${OF_MASTER}})`),
        }),
        stat({
          title: 'Quarantined lanes',
          description: 'Threads that failed again and again. The values of their workers are old.',
          thresholds: NONE_IS_GOOD,
          targets: only(`sum(pulselane_lanes{${OF_MASTER}, state="quarantined"})`),
        }),
        stat({
          title: 'Active',
          description: 'Workers that count as active.',
          targets: only(orZero(`sum(${inGroup(`pulselane_worker_up{${OF_MASTER}}`)})`)),
        }),
      ],
    },
    {
      title: 'Where?',
      panels: [
        table({
          title: 'Workers',
          description: 'The chosen groups; inactive workers first. A click on a worker opens its dashboard.',
          height: 11,
          sortBy: { name: 'Last heartbeat', desc: true },
          targets: [
            column(
              `max by (worker) (${stateNumber(OF_MASTER)} and on (worker) pulselane_worker_info{${OF_MASTER}, group=~"$group"})`,
            ),
            column(`max by (worker, group, host, version) (pulselane_worker_info{${OF_MASTER}, group=~"$group"})`),
            column(
              `max by (worker) (time() - ${inGroup(`pulselane_worker_last_heartbeat_timestamp_seconds{${OF_MASTER}}`)})`,
            ),
            column(`max by (worker) (${inGroup(`pulselane_worker_cpu_usage_ratio{${OF_MASTER}}`)})`),
            column(`max by (worker) (${inGroup(`pulselane_worker_memory_usage_ratio{${OF_MASTER}}`)})`),
            column(`max by (worker) (${inGroup(`pulselane_worker_storage_usage_ratio{${OF_MASTER}}`)})`),
            column(`max by (worker) (${inGroup(`pulselane_worker_gpu_usage_ratio{${OF_MASTER}}`)})`),
            column(`max by (worker) (${inGroup(`pulselane_worker_tasks_running{${OF_MASTER}}`)})`),
            column(`max by (worker) (${inGroup(`pulselane_worker_heartbeats_missed{${OF_MASTER}}`)})`),
          ],
          columns: [
            { from: 'worker', name: 'Worker', url: WORKER_LINK },
            { from: 'Value #A', name: 'State', words: STATE_WORDS },
            { from: 'group', name: 'Group' },
            { from: 'host', name: 'Address' },
            { from: 'version', name: 'Agent' },
            {
              from: 'Value #C',
              name: 'Last heartbeat',
              unit: 's',
              thresholds: [
                [15, 'orange'],
                [30, 'red'],
              ],
            },
            { from: 'Value #D', name: 'CPU', unit: 'percentunit' },
            { from: 'Value #E', name: 'Memory', unit: 'percentunit', thresholds: USED_UP },
            { from: 'Value #F', name: 'Storage', unit: 'percentunit', thresholds: USED_UP },
            { from: 'Value #G', name: 'GPU', unit: 'percentunit' },
            { from: 'Value #H', name: 'Tasks' },
            { from: 'Value #I', name: 'Missed', thresholds: NONE_IS_BETTER },
            { from: 'Value #B', name: ' ' },
          ],
        }),
        bars({
          title: 'Inactive workers by group',
          description: 'A group that stands out has one cause: a rack, a switch, a rollout.',
          thresholds: NONE_IS_GOOD,
          width: 8,
          targets: [
            {
              expr: `sum by (group) (${withGroup(`pulselane_worker_state{${OF_MASTER}, state="inactive"}`)})`,
              legendFormat: '{{group}}',
              instant: true,
            },
          ],
        }),
        timeline({
          title: 'Workers that were not active all the time',
          description: 'Since when, and for how long. At most 50.',
          width: 16,
          words: IS_UP,
          targets: only(
            `topk(50, ${inGroup(`pulselane_worker_up{${OF_MASTER}}`)} and on (job, instance, worker) (min_over_time(pulselane_worker_up{${OF_MASTER}}[$__range] @ end()) == 0))`,
            '{{worker}}',
          ),
        }),
      ],
    },
    {
      title: 'Since when, and why?',
      panels: [
        series({
          title: 'Workers by state',
          description: 'Of all groups.',
          stacked: true,
          targets: only(`sum by (state) (pulselane_workers{${OF_MASTER}})`, '{{state}}'),
        }),
        series({
          title: 'Changes of state',
          description: 'Of all groups. Many at one moment have one cause.',
          stacked: true,
          bars: true,
          targets: only(
            `sum by (from, to) (increase(pulselane_state_transitions_total{${OF_MASTER}}[$__rate_interval])) > 0`,
            '{{from}} → {{to}}',
          ),
        }),
        series({
          title: 'Heartbeats',
          description: 'Accepted, by how they came; and applied: published for readers.',
          unit: 'ops',
          targets: [
            { expr: perSecond('heartbeats_accepted', 'transport'), legendFormat: 'accepted, {{transport}}' },
            { expr: perSecond('heartbeats_applied', 'job'), legendFormat: 'applied' },
          ],
        }),
        series({
          title: 'Heartbeats that were not applied',
          description:
            'Replaced: a newer one came first, which is normal under load. Rejected and refused: look at the log. Lost: a lane ended.',
          unit: 'ops',
          targets: [
            { expr: perSecond('heartbeats_replaced', 'reason'), legendFormat: 'replaced, {{reason}}' },
            { expr: perSecond('heartbeats_rejected', 'reason'), legendFormat: 'rejected, {{reason}}' },
            { expr: perSecond('heartbeats_refused', 'reason'), legendFormat: 'refused, {{reason}}' },
            { expr: perSecond('heartbeats_lost', 'reason'), legendFormat: 'lost, {{reason}}' },
            { expr: perSecond('heartbeat_gaps', 'job'), legendFormat: 'gaps in the sequence' },
          ],
        }),
        heatmap({
          title: 'From receipt to publication',
          description: 'How long heartbeats take until they can be read.',
          unit: 's',
          targets: [
            {
              expr: `sum by (le) (increase(pulselane_heartbeat_apply_seconds_bucket{${OF_MASTER}}[$__rate_interval]))`,
              legendFormat: '{{le}}',
              format: 'heatmap',
            },
          ],
        }),
        series({
          title: 'From receipt to publication, percentiles',
          description: 'The same as numbers.',
          unit: 's',
          targets: [0.5, 0.99].map((share) => ({
            expr: `histogram_quantile(${share}, sum by (le) (rate(pulselane_heartbeat_apply_seconds_bucket{${OF_MASTER}}[$__rate_interval])))`,
            legendFormat: `p${share * 100}`,
          })),
        }),
      ],
    },
    {
      title: 'Load',
      panels: [
        usage('CPU', 'cpu'),
        usage('Memory', 'memory'),
        usage('Storage', 'storage'),
        usage('GPU', 'gpu'),
        busiest('Most memory', 'memory'),
        busiest('Most storage', 'storage'),
        busiest('Most GPU', 'gpu'),
        series({
          title: 'Running tasks by group',
          description: 'Of the chosen groups.',
          stacked: true,
          targets: only(`sum by (group) (${withGroup(`pulselane_worker_tasks_running{${OF_MASTER}}`)})`, '{{group}}'),
        }),
        series({
          title: '$metric',
          description: 'A custom metric over the chosen groups.',
          targets: [
            { expr: `avg(${inGroup(`{__name__="$metric", ${OF_MASTER}}`)})`, legendFormat: 'mean' },
            { expr: `max(${inGroup(`{__name__="$metric", ${OF_MASTER}}`)})`, legendFormat: 'highest' },
            { expr: `min(${inGroup(`{__name__="$metric", ${OF_MASTER}}`)})`, legendFormat: 'lowest' },
          ],
        }),
      ],
    },
    {
      title: 'The master',
      panels: [
        series({
          title: 'Delay of threads',
          description: 'The longest of the last 10 s. Above a second the master is slow for everybody.',
          unit: 's',
          thresholds: [[1, 'red']],
          targets: only(
            `max by (instance, thread) (pulselane_event_loop_lag_max_seconds{${OF_MASTER}})`,
            '{{instance}} {{thread}}',
          ),
        }),
        series({
          title: 'Lanes',
          description:
            'Threads that process heartbeats, and the age of the oldest heartbeat that they have not processed.',
          targets: only(`sum by (kind, state) (pulselane_lanes{${OF_MASTER}}) > 0`, '{{kind}}, {{state}}'),
        }),
        series({
          title: 'Delay of lanes',
          description: 'Age of the oldest heartbeat that waits for a lane.',
          unit: 's',
          targets: only(
            `max by (instance, kind) (pulselane_lane_lag_max_seconds{${OF_MASTER}})`,
            '{{instance}} {{kind}}',
          ),
        }),
        series({
          title: 'Connections and clients',
          description: 'Of workers over gRPC, and of those who follow the fleet over HTTP.',
          targets: [
            { expr: `sum(pulselane_grpc_connections{${OF_MASTER}})`, legendFormat: 'gRPC connections' },
            { expr: `sum(pulselane_grpc_streams{${OF_MASTER}})`, legendFormat: 'heartbeat streams' },
            { expr: `sum by (kind) (pulselane_stream_clients{${OF_MASTER}})`, legendFormat: '{{kind}} clients' },
          ],
        }),
        series({
          title: 'Refusals',
          description: 'By reason. `GET /api/v1/limits` says what each limit is.',
          unit: 'ops',
          targets: [
            { expr: `${perSecond('refusals', 'reason')} > 0`, legendFormat: 'gRPC, {{reason}}' },
            { expr: `${perSecond('http_refusals', 'reason')} > 0`, legendFormat: 'HTTP, {{reason}}' },
          ],
        }),
        series({
          title: 'Series of workers',
          description:
            'In each scrape. Cut: METRICS_MAX_SERIES is reached. Without a series: custom metrics with a name like another, or too many.',
          targets: [
            { expr: `pulselane_metrics_worker_series{${OF_MASTER}}`, legendFormat: '{{instance}}' },
            { expr: `pulselane_metrics_cut_series{${OF_MASTER}}`, legendFormat: '{{instance}} cut' },
            {
              expr: `pulselane_metrics_custom_collisions{${OF_MASTER}} + pulselane_metrics_custom_left_out{${OF_MASTER}}`,
              legendFormat: '{{instance}} custom, without a series',
            },
          ],
        }),
        series({
          title: 'Memory of the process',
          description: 'Resident set: Node, all threads, and the shared memory.',
          unit: 'bytes',
          targets: only(
            `process_resident_memory_bytes{${OF_MASTER}} and on (job, instance) pulselane_build_info`,
            '{{instance}}',
          ),
        }),
        series({
          title: 'CPU of the process',
          description: 'In cores.',
          targets: only(
            `rate(process_cpu_seconds_total{${OF_MASTER}}[$__rate_interval]) and on (job, instance) pulselane_build_info`,
            '{{instance}}',
          ),
        }),
        series({
          title: 'History that is not in the database yet',
          description: 'About a second is normal. More: `GET /api/v1/history` says why.',
          unit: 's',
          targets: only(`pulselane_history_durable_age_seconds{${OF_MASTER}}`, '{{instance}}'),
        }),
        series({
          title: 'Samples that history lost',
          description: 'By reason. Each is a gap in history.',
          targets: only(
            `sum by (reason) (increase(pulselane_history_samples_lost_total{${OF_MASTER}}[$__rate_interval]))`,
            '{{reason}}',
          ),
        }),
        series({
          title: 'Delay of exports',
          description: 'Age of the oldest sample that waits for a receiver of remote write or OTLP.',
          unit: 's',
          targets: only(`pulselane_export_lag_seconds{${OF_MASTER}}`, '{{instance}} {{receiver}}'),
        }),
      ],
    },
  ],
};
