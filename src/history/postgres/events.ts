/** Events as rows. */
import type { WorkerEvent } from '../../model/events.ts';
import type { EventFilter } from '../backend.ts';
import type { Connection, Row } from './connection.ts';
import { storable } from './metric-columns.ts';
import { Conditions, fromSqlMs, sqlMs } from './sql.ts';

/** Columns of members that an event may lack. The step of a clock is in the detail, and a gap. */
const OPTIONAL = {
  workerId: 'worker',
  group: 'worker_group',
  from: 'from_state',
  to: 'to_state',
  cause: 'cause',
  detail: 'detail',
  alertId: 'alert_id',
  rule: 'rule',
  severity: 'severity',
  closedBecause: 'closed_because',
} as const satisfies Record<Exclude<keyof WorkerEvent, 'id' | 'atUnixMs' | 'type' | 'stepMs'>, string>;

const MEMBERS = Object.keys(OPTIONAL) as (keyof typeof OPTIONAL)[];
const COLUMNS = Object.values(OPTIONAL);

/** A known id of the same run of the master changes nothing. */
export async function putEvents(connection: Connection, events: readonly WorkerEvent[], run: number): Promise<void> {
  if (events.length === 0) return;
  const texts = COLUMNS.map((column, index) => ({ column, parameter: `$${index + 5}::text[]` }));
  await connection.rows(
    `INSERT INTO pulselane.events (id, run, at, type, ${COLUMNS.join(', ')})
     SELECT id, $4, ${sqlMs('at')}, type, ${COLUMNS.join(', ')}
     FROM unnest($1::bigint[], $2::float8[], $3::text[], ${texts.map(({ parameter }) => parameter).join(', ')})
       AS new (id, at, type, ${COLUMNS.join(', ')})
     ON CONFLICT DO NOTHING`,
    [
      events.map(({ id }) => id),
      events.map(({ atUnixMs }) => atUnixMs),
      events.map(({ type }) => type),
      run,
      ...MEMBERS.map((member) => events.map((event) => (event[member] === undefined ? null : storable(event[member])))),
    ],
  );
}

/** Of a run of the master, and of all; 0: there is none. */
export async function lastEventIds(
  connection: Connection,
  run: number,
): Promise<{ lastEventId: number; newestEventId: number }> {
  const [row] = await connection.rows(
    `SELECT coalesce((SELECT max(id) FROM pulselane.events WHERE run = $1), 0),
       coalesce((SELECT max(id) FROM pulselane.events), 0)`,
    [run],
  );
  return { lastEventId: Number(row?.[0]), newestEventId: Number(row?.[1]) };
}

export async function findEvents(connection: Connection, filter: EventFilter): Promise<WorkerEvent[]> {
  const { workerId, workerIds, types, afterId, beforeId, fromMs, toMs, limit, prefer } = filter;
  const conditions = new Conditions();
  conditions.add((value) => `worker = ${value}`, workerId === undefined ? undefined : storable(workerId));
  conditions.add((value) => `worker = ANY(${value}::text[])`, workerIds?.map(storable));
  conditions.add((value) => `type = ANY(${value}::text[])`, types);
  conditions.add((value) => `id > ${value}`, afterId);
  conditions.add((value) => `id < ${value}`, beforeId);
  conditions.add((value) => `at >= ${sqlMs(value)}`, fromMs);
  conditions.add((value) => `at < ${sqlMs(value)}`, toMs);
  const rows = await connection.rows(
    `SELECT id, ${fromSqlMs('at')}, type, ${COLUMNS.join(', ')} FROM pulselane.events ${conditions.where()}
     ORDER BY id ${prefer === 'oldest' ? 'ASC' : 'DESC'} LIMIT ${limit}`,
    conditions.values,
  );
  const events = rows.map(eventOf);
  return prefer === 'oldest' ? events : events.reverse();
}

function eventOf([id, at, type, ...texts]: Row): WorkerEvent {
  const present = MEMBERS.flatMap((member, index) => (texts[index] === null ? [] : [[member, texts[index]]]));
  return { id: Number(id), atUnixMs: Number(at), type, ...Object.fromEntries(present) } as WorkerEvent;
}
