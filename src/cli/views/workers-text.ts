/** The list of workers, and of those that wait to be let in. */
import { formatDuration } from '../../config/kinds.ts';
import { ANOMALY_SCORE } from '../../model/anomaly/scorer.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import type { Meaning } from '../text/paint.ts';
import { type Cell, type Column, prose, section, table } from '../text/table.ts';
import { age, count, countOf, milliseconds, NOTHING, share } from '../text/units.ts';
import { HEARD_STATES, type LaneView, type LivenessView, type PendingRow, type WorkerRow } from './views.ts';

/** Longer ids are shortened in lists; `status <id>` and `-o wide` show them whole. */
const MAX_ID_WIDTH = 40;
/** `render-no…-0017`: both ends of most ids. */
const LEAST_ID_WIDTH = 15;
/** What labels and groups take at most beside the rest. */
const MAX_FACT_WIDTH = 32;

const ID: Column = { title: 'ID', maxWidth: MAX_ID_WIDTH, shortensTo: LEAST_ID_WIDTH };
/** How long it has been in its state. */
const FOR: Column = { title: 'FOR', align: 'right', rank: 1 };
/** Where room is short, the lowest rank goes first: id, state and last heartbeat stay. */
const COLUMNS: readonly Column[] = [
  ID,
  { title: 'STATE' },
  { title: 'CPU', align: 'right', rank: 6 },
  { title: 'MEM', align: 'right', rank: 5 },
  { title: 'GPU', align: 'right', rank: 4 },
  { title: 'TASKS', align: 'right', rank: 3 },
  { title: 'ANOMALY', align: 'right', rank: 7 },
  { title: 'LAST', align: 'right' },
  FOR,
  { title: 'LANE', rank: 2 },
  { title: 'GROUP', maxWidth: MAX_FACT_WIDTH, isExtra: true },
  { title: 'WHY', isExtra: true },
  { title: 'LABELS', maxWidth: MAX_FACT_WIDTH, isExtra: true },
];
const PENDING_COLUMNS: readonly Column[] = [
  ID,
  { title: 'FIRST', align: 'right', rank: 1 },
  { title: 'LAST', align: 'right' },
  { title: 'TRIES', align: 'right', rank: 2 },
];

const NOBODY = 'No worker is known yet. To add one: pulselane agent --master <host:port>';

/** Before a value that a silent worker sent last. */
const OLD = '*';
const OLD_LEGEND = `${OLD} the last value of a worker that is silent now`;

/** Which workers a list shows. */
export interface Shown {
  /** With which all their ids begin. */
  readonly prefix?: string;
  /** Whether there are other filters. */
  readonly isFiltered?: boolean;
  /** How many there are, where a limit leaves out some. */
  readonly total?: number;
}

/** `rows` in their order, and how many there are. */
export function workersText(rows: readonly WorkerRow[], shown: Shown = {}, page = ENDLESS_PAGE): string {
  if (rows.length === 0) return prose(nobodyText(shown), page);
  const columns = COLUMNS.filter(({ title }) => hasColumn(title, rows));
  const list = table(
    columns,
    rows.map((row) => columns.map(({ title }) => CELLS[title]?.(row) ?? '')),
    page,
  );
  const hasOld = rows.some((row) => isOld(row) && row.usages !== undefined);
  return [list, ...(hasOld ? [prose(OLD_LEGEND, page)] : [])].join('\n') + prose(totalText(rows, shown), page);
}

/** Optional columns are shown only if at least one of the workers has a value for them; a legacy master sends none. */
function hasColumn(title: string, rows: readonly WorkerRow[]): boolean {
  switch (title) {
    case 'FOR':
    case 'WHY':
      return rows.some(({ liveness }) => liveness !== undefined);
    // Most of the time there is none.
    case 'ANOMALY':
      return rows.some(isAnomalous);
    case 'LANE':
      return rows.some(({ lane }) => lane !== undefined);
    case 'GROUP':
      return rows.some(({ group = '' }) => group !== '');
    case 'LABELS':
      return rows.some(({ labels = {} }) => Object.keys(labels).length > 0);
    default:
      return true;
  }
}

const CELLS: Readonly<Record<string, (row: WorkerRow) => Cell>> = {
  ID: ({ workerId }) => workerId,
  STATE: ({ state, liveness }) => stateCell(state, liveness),
  CPU: (row) => value(row, share(row.usages?.cpu)),
  MEM: (row) => value(row, share(row.usages?.memory)),
  GPU: (row) => value(row, share(row.usages?.gpu)),
  TASKS: (row) => value(row, row.usages === undefined ? NOTHING : count(row.tasks)),
  ANOMALY: (row) =>
    isAnomalous(row) ? { text: anomalyScoreText(row.anomalyScore as number), meaning: 'warning' } : NOTHING,
  LAST: ({ ageMs }) => age(ageMs),
  FOR: ({ liveness }) => (liveness === undefined ? '' : age(liveness.forMs)),
  LANE: ({ lane }) => (lane === undefined ? '' : laneCell(lane)),
  GROUP: ({ group = '' }) => group || NOTHING,
  WHY: ({ liveness }) => (liveness === undefined ? '' : whyText(liveness)),
  LABELS: ({ labels = {} }) => labelsText(labels) || NOTHING,
};

function isAnomalous({ state, anomalyScore = 0 }: WorkerRow): boolean {
  return anomalyScore >= ANOMALY_SCORE && HEARD_STATES.has(state);
}

export function anomalyScoreText(score: number): string {
  return score.toFixed(2);
}

/** Whether its values are of before it fell silent. */
function isOld({ state }: WorkerRow): boolean {
  return !HEARD_STATES.has(state);
}

function value(row: WorkerRow, text: string): Cell {
  return isOld(row) && text !== NOTHING ? { text: `${OLD}${text}`, meaning: 'old' } : text;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, text]) => `${name}=${text}`)
    .sort()
    .join(', ');
}

function whyText({ cause }: LivenessView): string {
  return cause.replaceAll('_', ' ');
}

function nobodyText({ prefix = '', isFiltered = false }: Shown): string {
  const begins = prefix === '' ? '' : ` with an id that begins with ${JSON.stringify(prefix)}`;
  if (isFiltered) return `No worker${begins} matches.`;
  return prefix === '' ? NOBODY : `No worker’s id begins with ${JSON.stringify(prefix)}.`;
}

/** Of a list that may have run off the screen. */
function totalText(
  rows: readonly WorkerRow[],
  { prefix = '', isFiltered = false, total = rows.length }: Shown,
): string {
  const noun = isFiltered ? 'matching worker' : 'worker';
  const howMany = total > rows.length ? `${count(rows.length)} of ${countOf(total, noun)}` : countOf(total, noun);
  const begins = prefix === '' ? '' : ` whose id begins with ${JSON.stringify(prefix)}`;
  return `\n\n${howMany}${begins}`;
}

/** The state stays with what tells how long and why; counts of what is rarer go first. */
const LIVENESS_COLUMNS: readonly Column[] = [
  ID,
  { title: 'STATE' },
  { title: 'FOR', align: 'right' },
  { title: 'WHY', rank: 7 },
  { title: 'EVERY', align: 'right', rank: 3 },
  { title: 'SKEW', align: 'right', rank: 4 },
  { title: 'MISSED', align: 'right', rank: 6 },
  { title: 'LATE', align: 'right', rank: 2 },
  { title: 'DUPLICATE', align: 'right', rank: 1 },
  { title: 'RESTARTS', align: 'right', rank: 5 },
];

/** The same workers, as far as it is about who is alive. */
export function livenessText(rows: readonly WorkerRow[], shown: Shown = {}, page = ENDLESS_PAGE): string {
  if (rows.length === 0) return prose(nobodyText(shown), page);
  const list = table(
    LIVENESS_COLUMNS,
    rows.map(({ workerId, state, liveness }) => {
      const cells = [workerId, stateCell(state, liveness)];
      if (liveness === undefined) return cells;
      const { forMs, intervalMs, skewMs, missed, late, duplicate, restarts } = liveness;
      return [
        ...cells,
        age(forMs),
        whyText(liveness),
        formatDuration(intervalMs),
        skewMs === undefined ? NOTHING : milliseconds(skewMs),
        ...[missed, late, duplicate, restarts].map(count),
      ];
    }),
    page,
  );
  return list + prose(totalText(rows, shown), page);
}

/** `active, stuck`: what is out of the ordinary is added. */
export function stateText(state: string, liveness: LivenessView | undefined): string {
  return [state, ...oddities(liveness)].join(', ');
}

/** Words for what is out of the ordinary. */
function oddities(liveness: LivenessView | undefined): string[] {
  if (liveness === undefined) return [];
  const { stuck, isFlapping, hasConflict } = liveness;
  return [
    ...(stuck === undefined ? [] : ['stuck']),
    ...(isFlapping ? ['flapping'] : []),
    ...(hasConflict ? ['id conflict'] : []),
  ];
}

const STATE_MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['active', 'good'],
  ['suspect', 'warning'],
  ['unknown', 'warning'],
  ['inactive', 'bad'],
  ['leaving', 'old'],
  ['left', 'old'],
]);

/** @param text that says the state */
export function stateCell(state: string, liveness: LivenessView | undefined, text = stateText(state, liveness)): Cell {
  const meaning = STATE_MEANINGS.get(state);
  if (meaning === undefined) return text;
  return { text, meaning: meaning === 'good' && oddities(liveness).length > 0 ? 'warning' : meaning };
}

function laneCell(lane: LaneView): Cell {
  const text = laneText(lane);
  if (lane.state === 'ready') return text;
  return { text, meaning: lane.state === 'quarantined' ? 'bad' : 'warning' };
}

/** Empty if nobody waits. */
export function pendingText(rows: readonly PendingRow[], page = ENDLESS_PAGE): string {
  if (rows.length === 0) return '';
  const cells = rows.map(({ workerId, firstSeenMs, lastSeenMs, attempts }) => [
    workerId,
    age(firstSeenMs),
    age(lastSeenMs),
    count(attempts),
  ]);
  const title = 'Waiting for approval (approve <id> lets one in)';
  return section(title, (inner) => table(PENDING_COLUMNS, cells, inner), page);
}

/** `12 dedicated`; what is out of the ordinary is added. */
export function laneText({ number, kind, state, restarts }: LaneView): string {
  const unusual = [...(state === 'ready' ? [] : [state]), ...(restarts === 0 ? [] : [`restarted ${restarts}×`])];
  return [`${number} ${kind}`, ...unusual].join(', ');
}
