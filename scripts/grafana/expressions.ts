/** Parts of PromQL expressions that the dashboards share. */
import { WORKER_STATES } from '../../src/model/liveness.ts';
import type { Variable } from './dashboard.ts';
import type { Word } from './panels.ts';

const SAME_WORKER = 'job, instance, worker';

/** Series of the chosen masters. */
export const OF_MASTER = 'instance=~"$instance"';
/** Series of the chosen workers. */
export const OF_WORKER = `${OF_MASTER}, worker=~"$worker"`;

/** Only of workers of the chosen groups: their group is a label of `pulselane_worker_info` alone. */
export function inGroup(expr: string): string {
  return `${expr} and on (${SAME_WORKER}) pulselane_worker_info{${OF_MASTER}, group=~"$group"}`;
}

/** With the group as a label. */
export function withGroup(expr: string): string {
  return `${expr} * on (${SAME_WORKER}) group_left (group) pulselane_worker_info{${OF_MASTER}, group=~"$group"}`;
}

/** 0 if the master reports nothing of the kind. While it does not report at all, there is no value: 0 would look as if all were well. */
export function orZero(expr: string): string {
  return `${expr} or 0 * sum(pulselane_build_info{${OF_MASTER}})`;
}

/** The number of the state of each worker, see {@link STATE_WORDS}. */
export function stateNumber(matchers: string): string {
  const each = WORKER_STATES.map(
    (state, number) => `(pulselane_worker_state{${matchers}, state="${state}"} == 1) * 0 + ${number}`,
  );
  return `max by (worker) (${each.join(' or ')})`;
}

const STATE_COLORS: Readonly<Record<(typeof WORKER_STATES)[number], string>> = {
  registered: 'blue',
  active: 'green',
  suspect: 'yellow',
  inactive: 'red',
  unknown: 'purple',
  leaving: 'light-blue',
  left: 'gray',
};

export const STATE_WORDS: readonly Word[] = WORKER_STATES.map((text, value) => ({
  value,
  text,
  color: STATE_COLORS[text],
}));

export const INSTANCE: Variable = {
  name: 'instance',
  label: 'Master',
  query: 'label_values(pulselane_build_info, instance)',
  multi: true,
  all: '.*',
};

export const GROUP: Variable = {
  name: 'group',
  label: 'Group',
  query: `label_values(pulselane_worker_info{${OF_MASTER}}, group)`,
  multi: true,
  all: '.*',
};

export const METRIC: Variable = {
  name: 'metric',
  label: 'Custom metric',
  query: `label_values({__name__=~"pulselane_custom_.+", ${OF_MASTER}}, __name__)`,
};

/** How a link leads from a worker's name to its dashboard. */
export const WORKER_LINK =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of Grafana
  '/d/pulselane-worker?var-worker=${__value.raw:percentencode}&${__url_time_range}&${datasource:queryparam}';
