/** The fleet as a whole, and what the master is made of inside. */
import type { AlertTotals } from '../../model/alerts-status.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import { type Cell, type Column, facts, section, table } from '../text/table.ts';
import { count, countOf, mebibytes, milliseconds, NOTHING, share } from '../text/units.ts';
import { holdsLines } from './holds-text.ts';
import type { InternalStateView, LaneRow } from './internal-state-view.ts';
import { laneLimitText, threadBudgetSection } from './lane-plan-text.ts';
import type { ClusterView, HeartbeatCounts, LanesView, UsageColumns } from './views.ts';

export function clusterText(view: ClusterView, page = ENDLESS_PAGE): string {
  const { health, holds, workers, states, tasks, means, alerts, lanes, inside } = view;
  const entries: [string, Cell][] = [
    ...(health === undefined ? [] : [['master', health] as [string, string]]),
    ...holdsLines(holds).map((line) => ['judgement', line] as [string, string]),
    ['workers', [count(workers), ...countsText(states)].join(', ')],
    ['mean usage', means === undefined ? `${NOTHING} (no active worker)` : usagesText(means)],
    ['tasks', count(tasks)],
  ];
  if (alerts !== undefined) entries.push(['alerts', alertsText(alerts)]);
  if (lanes !== undefined) entries.push(['lanes', lanesText(lanes)]);
  if (inside !== undefined) {
    entries.push(['heartbeats', heartbeatTotalsText(inside.counts)]);
    if (inside.pending > 0) entries.push(['pending', `${countOf(inside.pending, 'worker')} to approve, see "workers"`]);
  }
  return facts(entries, page);
}

/** `2 firing (1 page, 1 warning), 3 pending; "alerts" says why` */
function alertsText({ firing, pending, firingBySeverity }: AlertTotals): Cell {
  const some = pending === 0 ? [] : [`${count(pending)} pending`];
  if (firing === 0) return ['none firing', ...some].join(', ');
  const text = [`${count(firing)} firing${splitText(firingBySeverity)}`, ...some].join(', ');
  return { text: `${text}; "alerts" says why`, meaning: 'bad' };
}

function lanesText({ counts: { dedicated, shared, penalty }, limit, notReady, restarts }: LanesView): string {
  return [
    `${count(dedicated)} dedicated (at most ${count(limit.dedicated)}, ${laneLimitText(limit)})`,
    `${count(shared)} shared`,
  ]
    .concat(penalty === 0 ? [] : [`${count(penalty)} penalty`])
    .concat(countsText(notReady), restarts === 0 ? [] : [countOf(restarts, 'restart')])
    .join(', ');
}

export function heartbeatTotalsText(counts: HeartbeatCounts): string {
  const { accepted, applied, rejected, replaced, replacedBy, lost, lostBy } = counts;
  return (
    `${count(accepted)} accepted: ${count(applied)} applied, ${count(rejected)} rejected, ` +
    `${count(replaced)} replaced${splitText(replacedBy)}, ${count(lost)} lost${splitText(lostBy)}`
  );
}

/** ` (2 stall, 1 crash)`; empty if there is nothing to tell. */
function splitText(parts: Readonly<Record<string, number>>): string {
  const shown = Object.entries(parts).filter(([, value]) => value > 0);
  return shown.length === 0 ? '' : ` (${shown.map(([name, value]) => `${count(value)} ${name}`).join(', ')})`;
}

export function usagesText({ cpu, memory, gpu, storage }: UsageColumns): string {
  return `CPU ${share(cpu)}, memory ${share(memory)}, GPU ${share(gpu)}, storage ${share(storage)}`;
}

export function internalStateText(state: InternalStateView, page = ENDLESS_PAGE): string {
  const { workers, activeWorkers, lanes, lanePlan, laneLimit, pending, mergedUpdates, callbackErrors, gauges } = state;
  const entries: [string, string][] = [
    ['workers', `${count(workers)}, ${count(activeWorkers)} active`],
    ['pending', count(pending)],
    [
      'lanes',
      `${count(lanes.length)}, at most ${count(lanePlan.dedicated)} dedicated` +
        (laneLimit === undefined ? '' : ` (${laneLimitText(laneLimit)})`),
    ],
    ...(state.threadsLeftBehind === 0
      ? []
      : ([['left behind', `${countOf(state.threadsLeftBehind, 'thread')} that did not end`]] as [string, string][])),
    ['record memory', recordMemoryText(state.recordMemory)],
    ['heartbeats', totalsText(state.totals)],
    ['gRPC', `${countOf(gauges.connections, 'connection')}, ${countOf(gauges.streams, 'stream')}`],
    [
      'main thread',
      `late by ${milliseconds(gauges.loopDelayMs.mean)}, at most ${milliseconds(gauges.loopDelayMs.max)}`,
    ],
    ['refused', refusalsText(state.refusals)],
    ['update callback', `${count(mergedUpdates)} merged, ${countOf(callbackErrors, 'error')}`],
    ['boot id', state.bootId],
  ];
  const summary = facts(entries, page) + threadBudgetSection(lanePlan, page);
  if (lanes.length === 0) return summary;
  const rows = lanes.map((lane) => [
    String(lane.number),
    lane.kind,
    lane.state,
    count(lane.workers),
    count(lane.restarts),
    lane.lastError ?? '',
    idsText(lane),
  ]);
  return summary + section('Lanes', (inner) => table(LANE_COLUMNS, rows, inner), page);
}

const LANE_COLUMNS: readonly Column[] = [
  { title: 'LANE', align: 'right' },
  { title: 'KIND', rank: 1 },
  { title: 'STATE' },
  { title: 'WORKERS', align: 'right', rank: 2 },
  { title: 'RESTARTS', align: 'right', rank: 3 },
  { title: 'LAST FAILURE', wrapsTo: 16 },
  { title: 'SERVES', rank: 0, maxWidth: 48 },
];

/** Of a shared lane there may be thousands; `-o json` has all of them. */
const MAX_IDS_SHOWN = 3;

function idsText({ workerIds }: LaneRow): string {
  const shown = workerIds.slice(0, MAX_IDS_SHOWN).join(', ');
  const more = workerIds.length - MAX_IDS_SHOWN;
  return more > 0 ? `${shown} and ${count(more)} more` : shown;
}

/** Of all workers there ever were. */
function totalsText(totals: InternalStateView['totals']): string {
  const { rejectedBy, replacedBy, lostBy, forgotten } = totals;
  const counts = { ...totals, rejected: sumOf(rejectedBy), replaced: sumOf(replacedBy), lost: sumOf(lostBy) };
  return heartbeatTotalsText(counts) + (forgotten === 0 ? '' : `, ${count(forgotten)} forgotten with their worker`);
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, value) => sum + value, 0);
}

function recordMemoryText(memory: InternalStateView['recordMemory']): string {
  const { budgetBytes, slotBytes, heartbeatBytes, letGoBytes, largestRecordBytes } = memory;
  return (
    `${mebibytes(slotBytes)} in records, ${mebibytes(heartbeatBytes)} on their way, ${mebibytes(letGoBytes)} let go, ` +
    `of ${mebibytes(budgetBytes)}; one record may have ${mebibytes(largestRecordBytes)}`
  );
}

function refusalsText(refusals: InternalStateView['refusals']): string {
  const reasons = Object.entries(refusals).map(([reason, n]): [string, number] => [reason.replaceAll('_', ' '), n]);
  return reasons.length === 0 ? 'nothing' : countsText(new Map(reasons)).join(', ');
}

function countsText(counts: ReadonlyMap<string, number>): string[] {
  return Array.from(counts, ([name, value]) => `${count(value)} ${name}`).sort();
}
