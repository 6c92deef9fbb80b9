/** The list of workers, and of those that wait to be let in. */
import { formatDuration } from '../../config/kinds.ts';
import { printable } from '../../lib/printable.ts';
import type { LaneKind } from '../../model/lanes.ts';
import { type Column, section, table } from '../text/table.ts';
import { age, count, countOf, milliseconds, NOTHING, percent } from '../text/units.ts';
import type { LaneView, LivenessView, PendingRow, WorkerRow } from './views.ts';

/** Longer ids are cut in lists; `status <id>` shows them whole. */
const MAX_ID_WIDTH = 40;

const ID: Column = { title: 'ID', maxWidth: MAX_ID_WIDTH };
const COLUMNS: readonly Column[] = [
  ID,
  { title: 'STATE' },
  { title: 'CPU', align: 'right' },
  { title: 'MEM', align: 'right' },
  { title: 'GPU', align: 'right' },
  { title: 'TASKS', align: 'right' },
  { title: 'LAST', align: 'right' },
];
/** How long it has been in its state. */
const FOR: Column = { title: 'FOR', align: 'right' };
const LANE: Column = { title: 'LANE' };
const PENDING_COLUMNS: readonly Column[] = [
  ID,
  { title: 'FIRST', align: 'right' },
  { title: 'LAST', align: 'right' },
  { title: 'TRIES', align: 'right' },
];

const NOBODY = 'No worker is known yet. To add one: pulselane agent --master <host:port>';

/** `rows` in their order, and how many there are; the lane is shown if it is known. @param prefix of all these ids */
export function workersText(rows: readonly WorkerRow[], prefix = ''): string {
  if (rows.length === 0) return nobodyText(prefix);
  const hasLanes = rows.some(({ lane }) => lane !== undefined);
  const hasLiveness = rows.some(({ liveness }) => liveness !== undefined);
  const list = table(
    [...COLUMNS, ...(hasLiveness ? [FOR] : []), ...(hasLanes ? [LANE] : [])],
    rows.map(({ workerId, state, liveness, usages, tasks, ageMs, lane }) => [
      workerId,
      stateText(state, liveness),
      usages === undefined ? NOTHING : percent(usages.cpu),
      usages === undefined ? NOTHING : percent(usages.memory),
      usages === undefined ? NOTHING : percent(usages.gpu),
      usages === undefined ? NOTHING : count(tasks),
      age(ageMs),
      ...(hasLiveness ? [liveness === undefined ? '' : age(liveness.forMs)] : []),
      lane === undefined ? '' : laneText(lane),
    ]),
  );
  return list + totalText(rows, prefix);
}

function nobodyText(prefix: string): string {
  return prefix === '' ? NOBODY : printable(`No worker’s id begins with ${JSON.stringify(prefix)}.`);
}

/** Of a list that may have run off the screen. */
function totalText(rows: readonly WorkerRow[], prefix: string): string {
  const which = prefix === '' ? '' : ` whose id begins with ${JSON.stringify(prefix)}`;
  return `\n\n${printable(`${countOf(rows.length, 'worker')}${which}`)}`;
}

const LIVENESS_COLUMNS: readonly Column[] = [
  ID,
  { title: 'STATE' },
  FOR,
  { title: 'WHY' },
  { title: 'EVERY', align: 'right' },
  { title: 'SKEW', align: 'right' },
  { title: 'MISSED', align: 'right' },
  { title: 'LATE', align: 'right' },
  { title: 'TWICE', align: 'right' },
  { title: 'RESTARTS', align: 'right' },
];

/** The same workers, as far as it is about who is alive. */
export function livenessText(rows: readonly WorkerRow[], prefix = ''): string {
  if (rows.length === 0) return nobodyText(prefix);
  const list = table(
    LIVENESS_COLUMNS,
    rows.map(({ workerId, state, liveness }) => {
      const cells = [workerId, stateText(state, liveness)];
      if (liveness === undefined) return cells;
      const { forMs, cause, intervalMs, skewMs, missed, late, duplicate, restarts } = liveness;
      return [
        ...cells,
        age(forMs),
        cause.replaceAll('_', ' '),
        formatDuration(intervalMs),
        skewMs === undefined ? NOTHING : milliseconds(skewMs),
        ...[missed, late, duplicate, restarts].map(count),
      ];
    }),
  );
  return list + totalText(rows, prefix);
}

/** `active, stuck`: what is out of the ordinary is added. */
export function stateText(state: string, liveness: LivenessView | undefined): string {
  if (liveness === undefined) return state;
  const { stuck, isFlapping, hasConflict } = liveness;
  return [
    state,
    ...(stuck === undefined ? [] : ['stuck']),
    ...(isFlapping ? ['flapping'] : []),
    ...(hasConflict ? ['id conflict'] : []),
  ].join(', ');
}

/** Empty if nobody waits. */
export function pendingText(rows: readonly PendingRow[]): string {
  if (rows.length === 0) return '';
  return section(
    'Waiting for approval (approve <id> lets one in)',
    table(
      PENDING_COLUMNS,
      rows.map(({ workerId, firstSeenMs, lastSeenMs, attempts }) => [
        workerId,
        age(firstSeenMs),
        age(lastSeenMs),
        count(attempts),
      ]),
    ),
  );
}

/** How kinds of lanes are called in few letters. */
export const KIND_NAMES: Readonly<Record<LaneKind, string>> = {
  dedicated: 'own',
  shared: 'shared',
  penalty: 'penalty',
};

/** `12 own`; what is out of the ordinary is added. */
export function laneText({ number, kind, state, restarts }: LaneView): string {
  const unusual = [...(state === 'ready' ? [] : [state]), ...(restarts === 0 ? [] : [`restarted ${restarts}×`])];
  return [`${number} ${KIND_NAMES[kind]}`, ...unusual].join(', ');
}
