/** What a running master has recorded, as series for a replay: samples by its export, states by its events. */
import { partsOf } from '../../alerts/expression/facts.ts';
import { NAMES } from '../../alerts/expression/names.ts';
import { NumberTrack, type ReplayChange, type ReplaySource, type ReplayWorker } from '../../alerts/replay/track.ts';
import type { Rule } from '../../alerts/rules/rule.ts';
import { durationOf } from '../../history/query/time.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { ApiClient, ExportDownload, QueryPairs } from '../client/api.ts';
import { type EventItem, eventItemsOf } from '../views/event-items.ts';

/** 16 bytes each: a week of 40 workers at 5 s with 4 metrics. */
const MAX_VALUES = 20_000_000;
const EVENTS_A_PAGE = 1_000;
/** Replays of more are those of a fleet that changes all the time. */
const MAX_EVENTS = 200_000;

const TIER_MS = { raw: 0, '1m': 60_000, '1h': 3_600_000 } as const;
type Tier = keyof typeof TIER_MS;

/** By its key in history. */
const NAME_OF_KEY: Readonly<Record<string, string>> = { running_tasks: 'tasks', anomaly_score: 'score' };
const KEY_OF_NAME: Readonly<Record<string, string>> = { tasks: 'running_tasks', score: 'anomaly_score' };
const RECORDED = ['cpu_usage', 'memory_usage', 'storage_usage', 'gpu_usage', 'tasks', 'score'];
const KNOWN_OF_WORKERS = [
  'worker_id',
  'group',
  'state',
  'state_seconds',
  'cause',
  'stuck',
  'flapping',
  'labels',
  'metrics',
];
const KNOWN_OF_GROUPS = ['name', 'workers', 'active', 'inactive', 'brake'];

export interface RecordedRequest {
  readonly client: ApiClient;
  readonly rules: readonly Rule[];
  /** As written: `7d`. */
  readonly last: string;
  readonly nowMs: number;
  readonly worker: string | undefined;
  readonly prefix: string | undefined;
  readonly onRead: (values: number) => void;
}

export interface Recorded {
  readonly source: ReplaySource;
  /** Until when there are only rollups, by their length; undefined: all values are samples. */
  readonly rollupsUntilMs: number | undefined;
  /** What the master could not read. */
  readonly missing: string | undefined;
}

/** @throws PulselaneError if the master does not answer, or there is too much */
export async function recordedSeries(request: RecordedRequest): Promise<Recorded> {
  const { client, rules, last, nowMs, worker, prefix } = request;
  const fromMs = nowMs - spanOf(last);
  const filters: QueryPairs = [
    ...(worker === undefined ? [] : [['worker', worker] as const]),
    ...(prefix === undefined ? [] : [['prefix', prefix] as const]),
  ];
  const tracks = new Map<string, Map<string, NumberTrack>>();
  const tiers: { untilMs: number; ms: number }[] = [];
  let total = 0;
  const add = (row: ExportRow) => {
    if (!wanted.has(row.metric)) return;
    const name = NAME_OF_KEY[row.metric] ?? row.metric;
    const atMs = Date.parse(row.at);
    const length = TIER_MS[row.tier];
    const own = tracks.get(row.worker_id) ?? new Map<string, NumberTrack>();
    tracks.set(row.worker_id, own);
    const track = own.get(name) ?? new NumberTrack();
    own.set(name, track);
    if (length === 0) track.add(atMs, row.last);
    else {
      // What the minute or hour was like, in an order that tries both sides of a threshold.
      track.add(atMs + length / 3, row.min);
      track.add(atMs + (2 * length) / 3, row.max);
      track.add(atMs + length, row.last);
      noteTier(tiers, atMs + length, length);
    }
    total += length === 0 ? 1 : 3;
    if (total > MAX_VALUES) {
      throw new PulselaneError(
        'invalid_argument',
        `more than ${MAX_VALUES.toLocaleString('en-US')} values; narrow it by --worker, --prefix or a shorter --history`,
      );
    }
    if (total % 10_000 < 3) request.onRead(total);
  };
  const wanted = wantedKeys(rules);
  const range: QueryPairs = [['from', `-${last}`], ['format', 'jsonl'], ...filters];
  const download = await exportOf(client, range, [...wanted]);
  await eachRow(download.chunks(), add);
  const events = await eventsOf(client, fromMs, worker);
  const facts = await factsOf(client, prefix ?? '');
  // Also those that are known without a value or an event in the range: a worker that has been inactive all the time is one.
  const ids = new Set([
    ...tracks.keys(),
    ...[...events.map(({ worker_id: id }) => id), ...facts.keys()].filter(
      (id) => id !== null && isWanted(id, worker, prefix),
    ),
  ] as string[]);
  const workers = [...ids].map((workerId): ReplayWorker => {
    const numbers = tracks.get(workerId) ?? new Map<string, NumberTrack>();
    const own = events.filter(({ worker_id: id }) => id === workerId);
    const known = facts.get(workerId);
    const changes = changesOf(own, known, firstMs(numbers), fromMs);
    return { workerId, group: known?.group ?? '', labels: known?.labels ?? {}, numbers, changes };
  });
  // Before anything is recorded, nothing is known, which is not the same as a fleet without workers.
  const beginMs = Math.max(fromMs, Math.min(nowMs, ...workers.map(({ changes }) => changes[0]?.atMs ?? nowMs)));
  tiers.sort((a, b) => a.untilMs - b.untilMs);
  return {
    source: {
      workers,
      brakes: events.flatMap(({ type, group, at }) =>
        type === 'brake' || type === 'brake_released'
          ? [{ atMs: Date.parse(at), group: group ?? '', isActive: type === 'brake' }]
          : [],
      ),
      fromMs: beginMs,
      toMs: nowMs,
      knows: new Set([...KNOWN_OF_WORKERS, ...KNOWN_OF_GROUPS, ...RECORDED]),
      stepMs: (atMs) => (tiers.find(({ untilMs }) => atMs < untilMs)?.ms ?? 0) / 3,
    },
    rollupsUntilMs: tiers.at(-1)?.untilMs,
    missing: download.missing(),
  };
}

/** Until when values of that length come; longer ones are older. */
function noteTier(tiers: { untilMs: number; ms: number }[], untilMs: number, ms: number): void {
  const known = tiers.find((tier) => tier.ms === ms);
  if (known === undefined) tiers.push({ untilMs, ms });
  else known.untilMs = Math.max(known.untilMs, untilMs);
}

function spanOf(last: string): number {
  try {
    return durationOf(last);
  } catch (error) {
    throw new PulselaneError('invalid_argument', `--history ${last || '""'}: ${messageOf(error)}`);
  }
}

/** Metrics that rules read, as history names them. */
function wantedKeys(rules: readonly Rule[]): ReadonlySet<string> {
  const keys = new Set<string>(['cpu_usage']);
  for (const { when, clearWhen, annotations } of rules) {
    const shown = Object.values(annotations).flat();
    for (const expression of [when, clearWhen, ...shown]) {
      if (expression === undefined || typeof expression === 'string') continue;
      for (const { ref } of partsOf(expression)) {
        const name =
          ref.of === 'call'
            ? 'metric' in ref.call
              ? ref.call.metric
              : 'field' in ref.call
                ? ref.call.field
                : ''
            : ref.name;
        if (ref.of === 'label' || name === '') continue;
        if (RECORDED.includes(name)) keys.add(KEY_OF_NAME[name] ?? name);
        else if (ref.of === 'metric' || (ref.of === 'call' && !Object.hasOwn(NAMES.worker, name)))
          keys.add(`metrics.${name}`);
      }
    }
  }
  return keys;
}

/** The master refuses a metric that nothing has reported yet: then all metrics are asked for. */
async function exportOf(client: ApiClient, range: QueryPairs, metrics: readonly string[]): Promise<ExportDownload> {
  try {
    return await client.export([...range, ...metrics.map((key) => ['metric', key] as const)]);
  } catch (error) {
    if (!(error instanceof PulselaneError) || !error.message.includes('unknown metric')) throw error;
    return client.export(range);
  }
}

interface ExportRow {
  readonly worker_id: string;
  readonly at: string;
  readonly tier: Tier;
  readonly metric: string;
  readonly min: number;
  readonly max: number;
  readonly last: number;
}

async function eachRow(chunks: AsyncIterable<Uint8Array>, take: (row: ExportRow) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const row = JSON.parse(line) as ExportRow;
      if (typeof row.worker_id === 'string' && Object.hasOwn(TIER_MS, row.tier)) take(row);
    }
  }
}

/** All that the master has, oldest first. */
async function eventsOf(client: ApiClient, fromMs: number, worker: string | undefined): Promise<EventItem[]> {
  const events: EventItem[] = [];
  for (let after = 0; events.length < MAX_EVENTS; ) {
    const page = eventItemsOf(
      await client.events({
        from: new Date(fromMs).toISOString(),
        after: String(after),
        limit: String(EVENTS_A_PAGE),
        ...(worker === undefined ? {} : { worker }),
      }),
    );
    events.push(...page);
    const last = page.at(-1)?.id;
    if (page.length < EVENTS_A_PAGE || last == null) break;
    after = last;
  }
  return events;
}

interface WorkerFacts {
  readonly group: string;
  readonly state: string | undefined;
  readonly cause: string | undefined;
  /** Since when it is in this state; undefined: not known. */
  readonly sinceMs: number | undefined;
  readonly stuck: boolean;
  readonly flapping: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

const FACTS = 'group,labels,state,cause,since,stuck,flapping';

/** Of workers that the master knows now: groups and labels are not in the history, and their states tell those before the events. */
async function factsOf(client: ApiClient, prefix: string): Promise<ReadonlyMap<string, WorkerFacts>> {
  const pages = (await client.listWorkers({ fields: FACTS, ...(prefix === '' ? {} : { prefix }) })) ?? [];
  const all = pages.flatMap(
    ({ body }) => (body as { workers?: readonly Record<string, unknown>[] } | null)?.workers ?? [],
  );
  return new Map(
    all.map(({ worker_id: id, group, labels, state, cause, since, stuck, flapping }) => [
      String(id),
      {
        group: typeof group === 'string' ? group : '',
        labels: (labels ?? {}) as Readonly<Record<string, string>>,
        state: typeof state === 'string' ? state : undefined,
        cause: typeof cause === 'string' ? cause : undefined,
        sinceMs: typeof since === 'string' ? Date.parse(since) : undefined,
        stuck: typeof stuck === 'string',
        flapping: flapping === true,
      },
    ]),
  );
}

function isWanted(id: string, worker: string | undefined, prefix = ''): boolean {
  return worker === undefined ? id.startsWith(prefix) : id === worker;
}

/** Undefined: there is no value. */
function firstMs(numbers: ReadonlyMap<string, NumberTrack>): number | undefined {
  const firsts = Array.from(numbers.values()).flatMap((track) => (track.length > 0 ? [track.atOf(0)] : []));
  return firsts.length === 0 ? undefined : Math.min(...firsts);
}

/**
 * The first event of a kind tells what was before it. Without one, it was all the time as it is now; a worker that is forgotten by
 * now was active.
 */
function changesOf(
  events: readonly EventItem[],
  known: WorkerFacts | undefined,
  firstValueMs: number | undefined,
  fromMs: number,
): ReplayChange[] {
  const changes: ReplayChange[] = [];
  for (const { at, type, from, to, cause } of events) {
    const atMs = Date.parse(at);
    if (type === 'state' && to !== null) {
      if (from !== null && !hasAny(changes, 'state')) changes.push({ atMs: fromMs, name: 'state', value: from });
      changes.push({ atMs, name: 'state', value: to });
      if (cause !== null) changes.push({ atMs, name: 'cause', value: cause });
    } else if (type === 'stuck' || type === 'flapping') changes.push({ atMs, name: type, value: true });
    else if (type === 'stuck_over' || type === 'flapping_over') {
      const name = type.slice(0, -'_over'.length) as 'stuck' | 'flapping';
      if (!hasAny(changes, name)) changes.push({ atMs: fromMs, name, value: true });
      changes.push({ atMs, name, value: false });
    }
  }
  if (!hasAny(changes, 'state')) {
    const atMs = known?.sinceMs ?? firstValueMs ?? fromMs;
    changes.push({ atMs, name: 'state', value: known?.state ?? 'active' });
    if (known?.cause !== undefined) changes.push({ atMs, name: 'cause', value: known.cause });
  }
  for (const name of ['stuck', 'flapping'] as const) {
    if (known?.[name] === true && !hasAny(changes, name)) changes.push({ atMs: fromMs, name, value: true });
  }
  return changes.toSorted((a, b) => a.atMs - b.atMs);
}

function hasAny(changes: readonly ReplayChange[], name: ReplayChange['name']): boolean {
  return changes.some((change) => change.name === name);
}
