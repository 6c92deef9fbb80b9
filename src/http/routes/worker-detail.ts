/**
 * `GET /api/v1/workers/{id}`: what is known of one worker beside its telemetry, and the lane that serves it.
 * `POST /api/v1/workers/{id}/release`: out of quarantine before its time.
 */
import type { WorkerEntry } from '../../store/directory.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { problem } from '../problem.ts';
import { errorJson, sendJson } from '../respond.ts';
import { percentDecode } from '../target.ts';
import { type App, readOnly } from './route.ts';

const PREFIX = '/api/v1/workers/';
const RELEASE = '/release';

export function workerDetailRoutes(app: App, context: AppContext): void {
  const { directory, command } = context;

  app.post(`${PREFIX}:id{[^/]+}${RELEASE}`, async (c) => {
    const workerId = percentDecode(c.req.path.slice(PREFIX.length, -RELEASE.length));
    if (workerId === undefined) return invalidPath(c);
    const reply = await command({ type: 'release', workerId });
    return reply.ok ? sendJson(c, 200, { message: reply.message }) : problem(c, reply.code, reply.message);
  });

  app.all(`${PREFIX}:id{[^/]+}${RELEASE}`, (c) =>
    errorJson(c, 405, `${c.req.method} is not possible here`, { Allow: 'POST' }),
  );

  readOnly(app, `${PREFIX}:id{[^/]+}`, (c) => {
    const workerId = percentDecode(c.req.path.slice(PREFIX.length));
    if (workerId === undefined) return invalidPath(c);
    const entry = directory.get(workerId);
    if (entry === undefined) return problem(c, 'not_found', `worker ${JSON.stringify(workerId)} is not known`);
    return sendJson(c, 200, detailOf(entry, context));
  });
}

function invalidPath(c: HttpContext): Response {
  return problem(c, 'invalid_argument', 'the path is not valid percent-encoded UTF-8');
}

function detailOf({ workerId, row, slot, lastFault }: WorkerEntry, { directory, clock }: AppContext) {
  const view = directory.board.view(row, clock.monotonicMs());
  const { applied, rejected } = slot.counts();
  const rejection = slot.lastRejection();
  return {
    worker_id: workerId,
    state: view.state,
    cause: view.cause,
    since: isoOf(view.stateSinceS * 1000),
    is_active: view.isActive,
    stuck: view.stuck ?? null,
    flapping: view.isFlapping,
    id_conflict: view.hasConflict,
    interval_ms: view.intervalMs,
    skew_ms: view.skewMs ?? null,
    restarts: view.restarts,
    registered_at: isoOf(view.registeredS * 1000),
    last_update_at: isoOf(view.lastUpdateS * 1000),
    lane: view.lane,
    heartbeats: {
      accepted: view.accepted,
      missed: view.missed,
      late: view.replacedBy.late,
      duplicate: view.replacedBy.duplicate,
      applied,
      rejected,
      replaced: view.replaced,
      replaced_by_reason: view.replacedBy,
      lost: view.lost,
      lost_by_cause: view.lostBy,
    },
    last_rejection: rejection === undefined ? null : { reason: rejection.reason, at: isoOf(rejection.atUnixMs) },
    last_fault:
      lastFault === undefined
        ? null
        : { cause: lastFault.cause, reason: lastFault.reason, at: isoOf(lastFault.atUnixMs) },
  };
}

function isoOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
