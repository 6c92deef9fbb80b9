/** The dashboard of one worker, or of several side by side. */
import { LANE_STATES } from '../../src/model/lanes.ts';
import type { Plan } from './dashboard.ts';
import { GROUP, INSTANCE, METRIC, OF_MASTER, OF_WORKER, STATE_WORDS, stateNumber } from './expressions.ts';
import { column, NONE_IS_BETTER, series, signedSeries, stat, table, timeline, USED_UP } from './panels.ts';

const LANE_COLORS: Readonly<Record<(typeof LANE_STATES)[number], string>> = {
  starting: 'blue',
  ready: 'green',
  restarting: 'yellow',
  quarantined: 'red',
  draining: 'light-blue',
  stopped: 'gray',
};
const LANE_WORDS = LANE_STATES.map((text, value) => ({ value, text, color: LANE_COLORS[text] }));
const LANE_NUMBER = LANE_STATES.map(
  (state, number) => `(pulselane_worker_lane_state{${OF_WORKER}, lane_state="${state}"} == 1) * 0 + ${number}`,
).join(' or ');

const of = (family: string) => `pulselane_worker_${family}{${OF_WORKER}}`;
const perWorker = (expr: string) => [{ expr, legendFormat: '{{worker}}' }];
const perGpu = (family: string) => [{ expr: of(`gpu_${family}`), legendFormat: '{{worker}} GPU {{gpu}} {{mig}}' }];

const ratio = (title: string, family: string) =>
  series({
    title,
    description: 'As a share of what the worker has. A gap: it was inactive.',
    unit: 'percentunit',
    max: 1,
    thresholds: family === 'cpu' || family === 'gpu' ? [] : USED_UP,
    width: 6,
    targets: perWorker(of(`${family}_usage_ratio`)),
  });

export const WORKER: Plan = {
  uid: 'pulselane-worker',
  title: 'Pulselane / Worker',
  description: 'One worker: how it is, how it was, and what it sent.',
  datasource: 'prometheus',
  from: 'now-3h',
  refresh: '30s',
  variables: [
    INSTANCE,
    GROUP,
    {
      name: 'worker',
      label: 'Worker',
      query: `label_values(pulselane_worker_info{${OF_MASTER}, group=~"$group"}, worker)`,
      multi: true,
    },
    METRIC,
  ],
  annotations: [
    {
      name: 'State',
      color: 'orange',
      title: '{{worker}} became {{state}}',
      target: {
        expr: `(pulselane_worker_state{${OF_WORKER}} == 1) unless (pulselane_worker_state{${OF_WORKER}} offset 1m == 1)`,
      },
    },
    {
      name: 'Restart',
      color: 'blue',
      title: 'the process of {{worker}} was restarted',
      target: { expr: `increase(pulselane_worker_restarts_total{${OF_WORKER}}[1m]) > 0` },
    },
  ],
  rows: [
    {
      title: 'Is anything wrong?',
      panels: [
        stat({
          title: 'State',
          description: 'Now, as the master judges it.',
          words: STATE_WORDS,
          targets: perWorker(stateNumber(OF_WORKER)),
        }),
        stat({
          title: 'Last heartbeat',
          description: 'How long ago the master received it.',
          unit: 's',
          thresholds: [
            [15, 'orange'],
            [30, 'red'],
          ],
          targets: perWorker(`time() - ${of('last_heartbeat_timestamp_seconds')}`),
        }),
        stat({
          title: 'Stuck',
          description: 'It sends heartbeats but makes no progress.',
          words: [
            { value: 0, text: 'no', color: 'green' },
            { value: 1, text: 'yes', color: 'red' },
          ],
          targets: perWorker(of('stuck')),
        }),
        stat({
          title: 'Flapping',
          description: 'It becomes inactive and active again and again.',
          words: [
            { value: 0, text: 'no', color: 'green' },
            { value: 1, text: 'yes', color: 'red' },
          ],
          targets: perWorker(of('flapping')),
        }),
        stat({
          title: 'Missed',
          description: 'Heartbeats that were sent but have not arrived.',
          thresholds: NONE_IS_BETTER,
          targets: perWorker(of('heartbeats_missed')),
        }),
        stat({
          title: 'Restarts',
          description: 'Of its process, within the shown time.',
          thresholds: NONE_IS_BETTER,
          targets: perWorker(`round(increase(pulselane_worker_restarts_total{${OF_WORKER}}[$__range]))`),
        }),
        stat({
          title: 'Clock',
          description:
            'How far it is ahead of the clock of the master. Pulselane does not need it; logs and certificates do.',
          unit: 's',
          targets: perWorker(of('clock_skew_seconds')),
        }),
        stat({ title: 'Running tasks', description: 'Now.', targets: perWorker(of('tasks_running')) }),
        table({
          title: 'Registered as',
          description: 'What the worker told when it registered, and its labels as far as METRICS_LABELS allows them.',
          height: 5,
          sortBy: { name: 'Worker', desc: false },
          targets: [
            column(`max by (worker, group, host, version, instance_id) (pulselane_worker_info{${OF_WORKER}})`),
            column(`max by (worker) (${of('memory_limit_bytes')})`),
            column(`max by (worker) (${of('storage_size_bytes')})`),
          ],
          columns: [
            { from: 'worker', name: 'Worker' },
            { from: 'group', name: 'Group' },
            { from: 'host', name: 'Address' },
            { from: 'version', name: 'Agent' },
            { from: 'instance_id', name: 'Instance' },
            { from: 'Value #B', name: 'Memory', unit: 'bytes' },
            { from: 'Value #C', name: 'Storage', unit: 'bytes' },
            { from: 'Value #A', name: ' ' },
          ],
        }),
      ],
    },
    {
      title: 'Since when, and why?',
      panels: [
        timeline({
          title: 'State',
          description: 'As the master judged it. No colour: the master did not know the worker, or was not scraped.',
          height: 6,
          words: STATE_WORDS,
          targets: perWorker(stateNumber(OF_WORKER)),
        }),
        timeline({
          title: 'State of its lane',
          description: 'Of the thread of the master that processes its heartbeats.',
          height: 6,
          words: LANE_WORDS,
          targets: perWorker(`max by (worker) (${LANE_NUMBER})`),
        }),
        series({
          title: 'Age of the last heartbeat',
          description: 'A saw with small teeth is healthy.',
          unit: 's',
          width: 8,
          thresholds: [[30, 'red']],
          targets: perWorker(`time() - ${of('last_heartbeat_timestamp_seconds')}`),
        }),
        series({
          title: 'Missed heartbeats',
          description: 'A line that climbs: its network loses packets, or its machine is overloaded.',
          width: 8,
          targets: perWorker(of('heartbeats_missed')),
        }),
        signedSeries({
          title: 'Clock',
          description: 'Ahead of the clock of the master; below 0: behind it.',
          unit: 's',
          width: 8,
          targets: perWorker(of('clock_skew_seconds')),
        }),
      ],
    },
    {
      title: 'Load',
      panels: [
        ratio('CPU', 'cpu'),
        ratio('Memory', 'memory'),
        ratio('Storage', 'storage'),
        ratio('GPU', 'gpu'),
        series({
          title: 'Memory in bytes',
          description: 'Used, and what the worker registered with.',
          unit: 'bytes',
          width: 8,
          targets: [
            { expr: `${of('memory_usage_ratio')} * ${of('memory_limit_bytes')}`, legendFormat: '{{worker}} used' },
            { expr: of('memory_limit_bytes'), legendFormat: '{{worker}} limit' },
          ],
        }),
        series({
          title: 'Storage in bytes',
          description: 'Used, and what the worker registered with.',
          unit: 'bytes',
          width: 8,
          targets: [
            { expr: `${of('storage_usage_ratio')} * ${of('storage_size_bytes')}`, legendFormat: '{{worker}} used' },
            { expr: of('storage_size_bytes'), legendFormat: '{{worker}} size' },
          ],
        }),
        series({
          title: 'Running tasks',
          description: 'As of its last heartbeat.',
          width: 8,
          targets: perWorker(of('tasks_running')),
        }),
      ],
    },
    {
      title: 'GPUs',
      panels: [
        series({
          title: 'Utilization',
          description: 'Of each GPU. A line that ends: the GPU is gone, or the worker.',
          unit: 'percentunit',
          max: 1,
          width: 6,
          targets: perGpu('utilization_ratio'),
        }),
        series({
          title: 'Memory',
          description: 'Used, of each GPU.',
          unit: 'bytes',
          width: 6,
          targets: [
            ...perGpu('memory_used_bytes'),
            { expr: of('gpu_memory_total_bytes'), legendFormat: '{{worker}} GPU {{gpu}} {{mig}} total' },
          ],
        }),
        series({
          title: 'Temperature',
          description: 'Of each GPU.',
          unit: 'celsius',
          width: 6,
          targets: perGpu('temperature_celsius'),
        }),
        series({ title: 'Power', description: 'Of each GPU.', unit: 'watt', width: 6, targets: perGpu('power_watts') }),
      ],
    },
    {
      title: 'Custom metrics',
      panels: [
        signedSeries({
          title: '$metric',
          description: 'A metric of the worker’s own program.',
          width: 24,
          targets: perWorker(`{__name__="$metric", ${OF_WORKER}}`),
        }),
      ],
    },
  ],
};
