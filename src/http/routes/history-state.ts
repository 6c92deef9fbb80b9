/** `GET /api/v1/history`: where history is kept, and whether everything gets there. */
import { createRoute, z } from '@hono/zod-openapi';
import { TIERS } from '../../history/samples.ts';
import { HISTORY_PROBLEMS, HISTORY_STATES, type HistoryStatus, LOSS_REASONS } from '../../model/history-status.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, moment, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import { historyIsOff } from '../history/refusals.ts';

const State = z
  .object({
    state: z.enum(HISTORY_STATES).openapi({
      description:
        '`starting`: the database has not answered yet. `ok`: what comes in is in the database within about a second. `degraded`: the database does not take it; it is kept elsewhere, and nothing is lost until `lost` says so.',
    }),
    backend: z.enum(['sqlite', 'postgres']),
    place: z.string().openapi({ description: 'The file; or host, port and database.' }),
    problem: z
      .object({ code: z.enum(HISTORY_PROBLEMS), detail: z.string(), since: moment('Since when.') })
      .nullable()
      .openapi({ description: 'Why it is degraded; null if it is not.' }),
    at: moment('When this was reported: about once a second.'),
    open_since: moment('Since when the database has been open; null if it is not.').nullable(),
    durable_until: moment(
      'Everything that the master applied until then is in the database; null if nothing is, since this master has started.',
    ).nullable(),
    samples: z.int().openapi({ description: 'Samples in the database, of those since this master has started.' }),
    samples_waiting: z.int().openapi({
      description:
        'Samples in memory that are not in the database yet, nor in `spool`, of workers that are still known.',
    }),
    samples_per_second: z.number().openapi({ description: 'Recently.' }),
    batches: z.int().openapi({ description: 'Commits with something in them, since this master has started.' }),
    commit_ms: z.number().openapi({ description: 'How long the last one took.' }),
    lost: z.record(z.enum(LOSS_REASONS), z.int()).openapi({
      description:
        'Samples that are known to be missing, since this master has started. `overwritten`: in memory, before they were taken out. `spool_full`: HISTORY_SPOOL_MAX was reached, or the spool could not be written. `spool_damaged`: a part of it could not be read. `refused`: the database refuses them, while it takes others.',
    }),
    lost_events: z.int(),
    lost_task_changes: z.int().openapi({
      description:
        'Changes of tasks that were overwritten before they were taken out, and tasks beyond what is recorded.',
    }),
    closed_too_late: z.int().openapi({
      description: 'Removed workers whose last samples and tasks came too late; how many, is unknown.',
    }),
    spool: z
      .object({ bytes: z.int(), max_bytes: z.int(), batches: z.int(), damaged: z.int() })
      .openapi({ description: 'What waits in DATA_DIR for the database; `damaged` parts could not be read.' }),
    bytes: z.int().nullable().openapi({ description: 'The size of the database; null while unknown.' }),
    max_bytes: z.int().nullable().openapi({ description: 'HISTORY_MAX_SIZE; null: no limit.' }),
    deleted_early: z.int().openapi({ description: 'Samples deleted before HISTORY_RAW because of HISTORY_MAX_SIZE.' }),
    damaged: z.int().openapi({ description: 'Parts of the database that could not be read since the start.' }),
    tiers: z
      .array(
        z.object({
          tier: z.enum(TIERS),
          keep_ms: z.int().openapi({ description: 'How long it is kept: HISTORY_RAW, HISTORY_1M, HISTORY_1H.' }),
          oldest_at: moment('Of its oldest data; null if there is none, or while unknown.').nullable(),
        }),
      )
      .openapi({ description: 'What is kept: samples, and values of each minute and hour.' }),
  })
  .openapi('HistoryState');

const EXAMPLE: z.input<typeof State> = {
  state: 'ok',
  backend: 'sqlite',
  place: '/var/lib/pulselane/history.db',
  problem: null,
  at: '2026-11-23T17:54:55.000Z',
  open_since: '2026-11-23T16:02:11.000Z',
  durable_until: '2026-11-23T17:54:54.600Z',
  samples: 4044,
  samples_waiting: 1,
  samples_per_second: 0.6,
  batches: 3370,
  commit_ms: 1.9,
  lost: { overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 },
  lost_events: 0,
  lost_task_changes: 0,
  closed_too_late: 0,
  spool: { bytes: 0, max_bytes: 1_073_741_824, batches: 0, damaged: 0 },
  bytes: 1_376_256,
  max_bytes: 10_737_418_240,
  deleted_early: 0,
  damaged: 0,
  tiers: [
    { tier: 'raw', keep_ms: 86_400_000, oldest_at: '2026-11-23T16:02:11.104Z' },
    { tier: '1m', keep_ms: 2_592_000_000, oldest_at: '2026-11-23T16:02:00.000Z' },
    { tier: '1h', keep_ms: 63_072_000_000, oldest_at: '2026-11-23T16:00:00.000Z' },
  ],
};

const route = createRoute({
  method: 'get',
  path: '/api/v1/history',
  operationId: 'getHistory',
  tags: ['History'],
  ...needs('read'),
  summary: 'Where history is kept, and whether everything gets there',
  responses: {
    200: jsonAnswer('The state of history.', State, EXAMPLE),
    ...problemAnswers('failed_precondition', 'unavailable'),
  },
});

export function historyStateRoutes(api: Api, { directory, history }: AppContext): void {
  endpoint(api, route, (c) => {
    if (history === undefined) return historyIsOff(c);
    const { history: status } = directory;
    return status === undefined
      ? problem(c, 'unavailable', 'the state of history is not known yet')
      : sendJson(c, 200, stateJson(status));
  });
}

function stateJson(status: HistoryStatus): z.infer<typeof State> {
  const { problem: wrong, spool, figures, retention } = status;
  const keep = { raw: retention.rawMs, '1m': retention.minuteMs, '1h': retention.hourMs };
  return {
    state: status.state,
    backend: status.backend,
    place: status.place,
    problem: wrong && { code: wrong.code, detail: wrong.detail, since: new Date(wrong.sinceUnixMs).toISOString() },
    at: new Date(status.atUnixMs).toISOString(),
    open_since: isoOrNull(status.openSinceUnixMs),
    durable_until: isoOrNull(status.durableUntilUnixMs),
    samples: status.samples,
    samples_waiting: status.waitingSamples,
    samples_per_second: inHundredths(status.samplesPerS),
    batches: status.batches,
    commit_ms: inHundredths(status.commitMs),
    lost: status.lost,
    lost_events: status.lostEvents,
    lost_task_changes: status.lostTaskChanges,
    closed_too_late: status.closedTooLate,
    spool: { bytes: spool.bytes, max_bytes: spool.maxBytes, batches: spool.batches, damaged: spool.damaged },
    bytes: figures?.bytes ?? null,
    max_bytes: retention.maxBytes,
    deleted_early: figures?.deletedEarly ?? 0,
    damaged: figures?.damaged ?? 0,
    tiers: TIERS.map((tier) => ({
      tier,
      keep_ms: keep[tier],
      oldest_at: isoOrNull(figures?.oldestUnixMs[tier] ?? null),
    })),
  };
}

function isoOrNull(unixMs: number | null): string | null {
  return unixMs === null ? null : new Date(unixMs).toISOString();
}

function inHundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
