/** Real answers, over a real socket, against the OpenAPI document that the same server gives. */

import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sqlite } from '../../src/history/sqlite/open.ts';
import type { Command, CommandReply } from '../../src/http/messages.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import type { AlertCommand } from '../../src/model/alert-command.ts';
import { batchOf, sampleRun, taskRun } from '../history/history-data.ts';
import { ALERT_TIME, alertsStatus, alertsTold, anAlert, aRule, aSilence, loadedRules } from '../support/alerts.ts';
import { task } from '../support/fleet.ts';
import { INTERNAL_STATE } from '../support/internal-state.ts';
import { receiverStatus } from '../support/receiver-status.ts';
import { SAMPLES, type Sample } from './contract-samples.ts';
import { historyStatus } from './history-status.ts';
import { NOW_S, newApp, newServer } from './support.ts';

// biome-ignore lint/suspicious/noExplicitAny: the document is data, and what is in it is what these tests look at
type Json = any;

const document = (await (await newApp().app.request('/api/v1/openapi.json')).json()) as Json;

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
}

const operations: Operation[] = Object.entries(document.paths as Json).flatMap(([path, item]) =>
  Object.entries(item as Json).map(([method, operation]) => {
    return { id: (operation as Json).operationId as string, method: method.toUpperCase(), path, operation };
  }),
);

/** Objects hold what they are described to hold and nothing else: what is not described is not promised to anybody. */
function sealed(value: Json): Json {
  if (Array.isArray(value)) return value.map(sealed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, sealed(inner)]));
  return copy.properties !== undefined && copy.additionalProperties === undefined
    ? { ...copy, additionalProperties: false }
    : copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(sealed(document), 'document');

/** What is wrong with `body`; undefined: nothing. `pointer` leads to the schema, from the document's root. */
function mistakesIn(body: unknown, ...pointer: readonly string[]): string | undefined {
  const path = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const validate = ajv.compile({ $ref: `document#/${path}` });
  return validate(body) ? undefined : ajv.errorsText(validate.errors);
}

/** Where the description of an answer stands; answers that many operations share stand apart. */
function answerPointer({ path, method, operation }: Operation, status: number): readonly string[] | undefined {
  const answer = operation.responses[status];
  if (answer === undefined) return undefined;
  return answer.$ref === undefined
    ? ['paths', path, method.toLowerCase(), 'responses', String(status)]
    : (answer.$ref as string).split('/').slice(1);
}

const at = (pointer: readonly string[]) => pointer.reduce((value: Json, key) => value[key], document);

let served: Awaited<ReturnType<typeof newServer>>;
const folder = mkdtempSync(join(tmpdir(), 'pulselane-contract-'));
beforeAll(async () => {
  const history = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  await record(history.path);
  served = await newServer({ replyTo, history });
  fill(served.fleet);
});
afterAll(async () => {
  await served.stop();
  rmSync(folder, { recursive: true });
});

/** A worker of which there is history only. */
async function record(path: string): Promise<void> {
  const writer = await sqlite.openWriter({ kind: 'sqlite', path }, () => {});
  const fromMs = (NOW_S - 600) * 1000;
  await writer.begin({ bootId: 'b007', startedMs: fromMs });
  const samples = [sampleRun({ workerId: 'recorded', count: 100, fromMs, keys: ['cpu_usage', 'metrics.fps'] })];
  const events = [{ id: 1, atUnixMs: fromMs, type: 'grace', detail: 'waiting' } as const];
  const taskRuns = [
    taskRun({ workerId: 'recorded', firstSeenMs: fromMs }),
    taskRun({ workerId: 'recorded', taskId: '2', firstSeenMs: fromMs }),
  ];
  await writer.write(batchOf('b007', 1, { atMs: NOW_S * 1000, samples, events, taskRuns }));
  await writer.close();
}

function replyTo(command: Command): CommandReply {
  const refused = (code: keyof typeof ERRORS): CommandReply => ({ ok: false, code, message: `it is ${code}` });
  if (command.type === 'internal-state') return { ok: true, message: '', state: INTERNAL_STATE };
  if (command.type === 'release-brakes') {
    return command.group === undefined ? refused('failed_precondition') : { ok: true, message: 'released' };
  }
  if (command.type === 'alerts') return replyToAlerts(command.asked, refused);
  if (command.workerId === '\n') return refused('invalid_argument');
  if (command.workerId === 'ghost') return refused('not_found');
  if (command.workerId === 'new') return refused('failed_precondition');
  if (command.workerId === 'one-too-many') return refused('resource_exhausted');
  if (command.workerId === 'bug') return refused('internal');
  return { ok: true, message: 'done' };
}

function replyToAlerts(asked: AlertCommand, refused: (code: keyof typeof ERRORS) => CommandReply): CommandReply {
  switch (asked.type) {
    case 'silence':
      if (asked.silence.id === 'ghost') return refused('not_found');
      return { ok: true, message: 'silenced', silenceId: aSilence().id };
    case 'expire-silence':
      return asked.silenceId === 'ghost' ? refused('not_found') : { ok: true, message: 'over' };
    case 'reload-rules':
      return {
        ...refused('invalid_rules'),
        problems: [{ message: 'unknown field', line: 3, column: 5 }, { message: 'no' }],
      } as CommandReply;
    case 'test-receiver':
      if (asked.receiver === 'ghost') return refused('not_found');
      return { ok: true, message: 'sent', trials: [{ kind: 'log', target: 0, isSent: false, detail: 'no' }] };
    default:
      return asked satisfies never;
  }
}

/** One worker of which everything is known, one of which nothing is, and all that the master may tell. */
function fill(fleet: typeof served.fleet): void {
  for (const id of ['full', 'new', 'a/b']) fleet.register(id);
  fleet.beat('a/b');
  fleet.beat('full', {
    cpuUsage: 14.5,
    runningTasks: [task('1'), task('2', { progress: 0.5, startedAtUnixMs: 1 })],
    metrics: new Map([['frames', 24]]),
    gpus: [
      { index: 0, uuid: 'u', name: 'n', utilizationPercent: 3, memoryUsedBytes: 1, powerWatts: 0.5 },
      { index: 0, uuid: 'm', name: 'part', parentUuid: 'u' },
    ],
  });
  fleet.board.setLane(0, { number: 1, kind: 'dedicated', state: 'ready', restarts: 0 });
  fleet.board.setSkew(0, -12);
  const labels = { zone: 'a' };
  fleet.onAnnounce([
    {
      type: 'workerFacts',
      workerId: 'full',
      facts: {
        totalCpu: 16,
        totalMemoryGib: 64,
        totalStorageGib: 960,
        totalGpu: 1,
        ip: '10.0.0.17',
        labels,
        group: 'rack',
        ephemeral: false,
        instanceId: 'i',
        agentVersion: '1',
      },
    },
    { type: 'laneFault', workerId: 'full', fault: { cause: 'stall', reason: 'it stood still', atUnixMs: 1 } },
    {
      type: 'events',
      events: [
        { id: 1, atUnixMs: 1, type: 'grace', detail: 'waiting' },
        { id: 2, atUnixMs: 2, type: 'state', workerId: 'full', from: 'registered', to: 'active', cause: 'heartbeat' },
        { id: 3, atUnixMs: 3, type: 'state', workerId: 'old', from: 'inactive', to: 'gone', cause: 'retention' },
        { id: 4, atUnixMs: 4, type: 'brake', group: 'rack', detail: '3 of 3' },
        { id: 5, atUnixMs: 5, type: 'alert', workerId: 'full', alertId: '00ff', rule: 'Hot', severity: 'page' },
        {
          ...{ id: 6, atUnixMs: 6, type: 'alert_over', group: 'rack', alertId: 'ff00', rule: 'Cold', severity: 'info' },
          closedBecause: 'recovered',
        },
      ],
    },
    {
      type: 'holds',
      holds: {
        graceEndsUnixMs: NOW_S * 1000,
        brakes: [{ group: 'rack', sinceUnixMs: 0, endsUnixMs: 300_000, silent: 3, watched: 4 }],
      },
    },
    { type: 'history', status: historyStatus() },
    alertsTold(
      anAlert(),
      anAlert({ worker: 'b', state: 'pending', firingSinceUnixMs: null }),
      anAlert({
        rule: 'Stuck',
        state: 'resolved',
        resolvedUnixMs: ALERT_TIME,
        closedBecause: 'recovered',
        noDataSinceUnixMs: 1,
        silencedBy: ['s'],
        inhibitedBy: ['i'],
        mutedBy: ['m'],
        subject: { kind: 'group', name: '' },
      }),
    ),
    {
      type: 'alertRules',
      loaded: loadedRules({ rules: [aRule(), aRule({ name: 'Shipped', isShipped: true, place: null })] }),
    },
    {
      type: 'alertsStatus',
      status: alertsStatus({ problems: [{ code: 'store', detail: 'disk is full', sinceUnixMs: ALERT_TIME }] }),
    },
    { type: 'silences', silences: [aSilence()] },
    { type: 'exports', receivers: [receiverStatus(), receiverStatus({ kind: 'otlp', lastFailure: null })] },
    { type: 'pending', pending: [{ workerId: 'w', firstSeenUnixMs: 1, lastSeenUnixMs: 2, attempts: 2 }] },
    { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
  ]);
}

async function ask({ target, method, headers = {}, body }: Sample, ofOperation: string) {
  const asJson = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; type: string; body: string }>();
  const call = request(
    served.url + target,
    { method: method ?? ofOperation, headers: { ...asJson, ...headers } },
    async (response) => {
      const type = String(response.headers['content-type']).split(';')[0] ?? '';
      resolve({ status: response.statusCode ?? 0, type, body: await text(response) });
    },
  );
  call.on('error', reject);
  call.end(body);
  return promise;
}

test('the document tells of every route that the app has, and of no other', () => {
  const { app } = newApp();
  const served = app.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:\w+(\{.+?\})?/g, '{}')}`);
  const described = operations.map(({ method, path }) => `${method} ${path.replaceAll(/\{.+?\}/g, '{}')}`);
  expect(new Set(described)).toEqual(new Set(served));
});

describe.each(operations)('$method $path', (described) => {
  const { id, method } = described;
  const samples = SAMPLES[id] ?? [];

  test('has a request in contract-samples.ts', () => expect(samples).not.toEqual([]));

  test.each(samples)('$target is answered with $status as it is described', async (sample) => {
    const { status, type, body } = await ask(sample, method);
    expect(status, body).toBe(sample.status);
    const pointer = answerPointer(described, status);
    expect(pointer, `${status} is not described`).toBeDefined();
    const content = at(pointer as readonly string[]).content ?? {};
    if ([202, 303, 304].includes(status)) {
      expect([body, content]).toEqual(['', {}]);
      return;
    }
    expect(Object.keys(content), 'the type of the answer').toContain(type);
    if (type.endsWith('json')) {
      expect(
        mistakesIn(JSON.parse(body), ...(pointer as readonly string[]), 'content', type, 'schema'),
      ).toBeUndefined();
    }
  });

  test('has examples that are such answers', () => {
    for (const [status, answer] of Object.entries(described.operation.responses as Json)) {
      for (const [type, { example }] of Object.entries((answer as Json).content ?? {}) as [string, Json][]) {
        if (type === 'application/json') expect(example, `${status} has no example`).toBeDefined();
        if (example === undefined) continue;
        const pointer = answerPointer(described, Number(status)) as readonly string[];
        expect(mistakesIn(example, ...pointer, 'content', type, 'schema'), status).toBeUndefined();
      }
    }
  });
});

test('examples of parameters are such parameters', () => {
  let examples = 0;
  for (const { path, method } of operations) {
    const operation = ['paths', path, method.toLowerCase()];
    ((at(operation).parameters ?? []) as Json[]).forEach(({ name, example, schema }, index) => {
      for (const given of [example, schema?.example]) {
        if (given === undefined) continue;
        examples++;
        expect(
          mistakesIn(given, ...operation, 'parameters', String(index), 'schema'),
          `${path} ${name}`,
        ).toBeUndefined();
      }
    });
  }
  expect(examples).toBeGreaterThan(5);
});

test('a sample is of an operation that there is', () => {
  const ids = operations.map(({ id }) => id);
  expect(Object.keys(SAMPLES).filter((id) => !ids.includes(id))).toEqual([]);
});

test('answers that are not what is described are seen', () => {
  const pointer = ['paths', '/livez', 'get', 'responses', '200', 'content', 'application/json', 'schema'];
  expect(mistakesIn({ status: 'ok' }, ...pointer)).toBeUndefined();
  expect(mistakesIn({ status: 'well' }, ...pointer)).toContain('allowed values');
  expect(mistakesIn({ status: 'ok', more: 1 }, ...pointer)).toContain('additional');
});

test('the probes of a master that is stuck or not ready are answered as they are described', async () => {
  const { app, clock } = newApp();
  clock.advance(20_000);
  for (const path of ['/health', '/livez', '/readyz']) {
    const response = await app.request(path);
    expect(response.status).toBe(503);
    const pointer = ['paths', path, 'get', 'responses', '503', 'content', 'application/json', 'schema'];
    expect(mistakesIn(await response.json(), ...pointer)).toBeUndefined();
  }
});

test('a public linter finds no error, by its recommended rules', async () => {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: 'openapi.json', config });
  const told = problems.map(({ severity, ruleId, location }) => `${severity} ${ruleId} ${location[0]?.pointer}`);
  // The linter takes neither the 101 of a WebSocket nor the 303 of a form for a success.
  const others = operations.filter(({ operation: { responses } }) => responses[101] ?? responses[303]);
  expect(told.sort()).toEqual(
    others
      .map(({ path, method }) => {
        return `warn operation-2xx-response #/paths/${path.replaceAll('/', '~1')}/${method.toLowerCase()}/responses`;
      })
      .sort(),
  );
});

test('every error code is in the document', () => {
  expect(document.components.schemas.Problem.properties.type.enum).toEqual(
    Object.keys(ERRORS).map((code) => `urn:pulselane:error:${code}`),
  );
});
