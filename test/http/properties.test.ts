import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { TelemetryJson } from '../../src/model/record-json.ts';
import { workerIdProblem } from '../../src/model/worker-id.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { task } from '../support/fleet.ts';
import { newApp } from './support.ts';

const workerId = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.string({ unit: ANY_CHARACTER, minLength: 1, maxLength: 64 }),
    // What paths, JSON and percent-encoding are made of.
    fc.string({
      unit: fc.constantFrom('.', '/', '%', '2', 'f', '?', '#', '+', '\\', '"', ':', '*', ' ', '&'),
      minLength: 1,
    }),
    fc.constantFrom('__proto__', '../x', '🐙'.repeat(64), 'é'.repeat(128), 'x'.repeat(256)),
  )
  .filter((id) => workerIdProblem(id) === undefined);

it('any valid id comes back from its own URL, and as a key of the map', async () => {
  await fc.assert(
    fc.asyncProperty(workerId, async (id) => {
      const { raw, fleet } = newApp();
      fleet.register(id);
      const one = await raw(`/telemetry/${encodeURIComponent(id)}`);
      expect(one.status).toBe(200);
      expect(((await one.json()) as TelemetryJson).worker_id).toBe(id);
      for (const path of ['/telemetry', '/workers']) {
        const all = JSON.parse(await (await raw(path)).text()) as object;
        expect(Object.entries(all)).toEqual([[id, expect.objectContaining({ worker_id: id })]]);
      }
    }),
    { numRuns: 300 },
  );
});

const beat = fc.record({
  cpuUsage: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  memoryUsage: fc.double({ min: 0, max: 100, noNaN: true }),
  runningTasks: fc.array(
    fc.string({ unit: 'grapheme' }).map((id) => task(id)),
    { maxLength: 30 },
  ),
  metrics: fc
    .dictionary(fc.string({ unit: 'grapheme' }), fc.double({ noNaN: true, noDefaultInfinity: true }))
    .map((metrics) => new Map(Object.entries(metrics))),
});

it('the joined map is the JSON of every worker by itself', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(workerId, { maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(11), beat), { maxLength: 20 }),
      async (ids, beats) => {
        const { raw, fleet } = newApp();
        for (const id of ids) fleet.register(id);
        for (const [index, values] of beats) {
          const id = ids[index];
          if (id !== undefined) fleet.beat(id, values);
        }
        const joined = new Map(Object.entries(JSON.parse(await (await raw('/telemetry')).text()) as object));
        expect(new Set(joined.keys())).toEqual(new Set(ids));
        for (const id of ids) {
          const one = await raw(`/telemetry/${encodeURIComponent(id)}`);
          expect(joined.get(id)).toEqual(JSON.parse(await one.text()));
        }
      },
    ),
    { numRuns: 100 },
  );
});
