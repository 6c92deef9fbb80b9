/** Whatever changes, whoever comes, goes, is slow and comes back: who applies the events has what the list has. */
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import { POLL_MS, VIEW_KEPT_MS, VIEW_SLICE_MS } from '../../src/http/http-limits.ts';
import { LiveStreams } from '../../src/http/live/streams.ts';
import { putItem } from '../../src/http/query/item.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { Directory } from '../../src/reading/directory.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { Revisions } from '../../src/reading/revisions.ts';
import { type Selection, selectionBy } from '../../src/reading/selection.ts';
import { BoardReader } from '../../src/store/board.ts';
import { BusyClock } from './busy-clock.ts';
import { changeOf, make } from './fleet-changes.ts';
import { Follower, HeldResponse } from './stream-follower.ts';
import { newFleet } from './support.ts';

const IDS = ['a', 'b"', 'c', 'dé', 'e', 'f', 'g', 'h', 'i'];
const FILTERS: readonly Selection[] = [
  {},
  { prefix: 'd' },
  { 'min.cpu_usage': '4' },
  { group: 'g1' },
  { state: 'active' },
].map((query) => selectionBy(readCriteria(query).criteria));
const FIELDS = [undefined, 'cpu_usage,missed', 'state', 'group,lane_state', 'telemetry'].map(fieldsOf);
const RATES = [0.5, 20];

const CLIENTS = 4;
const step = fc.oneof(
  { weight: 6, arbitrary: changeOf(IDS).map((change) => ({ type: 'change', change }) as const) },
  { weight: 3, arbitrary: fc.constantFrom(1, 1, 1, 40).map((looks) => ({ type: 'look', looks }) as const) },
  { weight: 2, arbitrary: fc.nat(CLIENTS - 1).map((client) => ({ type: 'take', client }) as const) },
  {
    weight: 2,
    arbitrary: fc
      .record({ client: fc.nat(CLIENTS - 1), share: fc.double({ min: 0, max: 1, noNaN: true }) })
      .map((fields) => ({ type: 'break', ...fields }) as const),
  },
  { weight: 2, arbitrary: fc.nat(CLIENTS - 1).map((client) => ({ type: 'connect', client }) as const) },
  // All break, and the views that nobody uses are forgotten.
  { weight: 1, arbitrary: fc.constant({ type: 'pass' } as const) },
);
const client = fc.record({
  selection: fc.constantFrom(...FILTERS),
  fields: fc.constantFrom(...FIELDS),
  rate: fc.constantFrom(...RATES),
});

it('whoever applies the events has the same as the list in the end', () => {
  let resumed = 0;
  let parts = 0;
  fc.assert(
    fc.property(
      fc.array(client, { minLength: CLIENTS, maxLength: CLIENTS }),
      fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }),
      fc.constantFrom(1, 400, 100_000),
      // Where looking at four workers takes longer than a slice, views are late, and clients come while they are made.
      fc.constantFrom(0, VIEW_SLICE_MS),
      (clients, steps, maxFrameBytes, costMs) => {
        const { clock, fleet } = newFleet(IDS.length, new BusyClock(costMs));
        const directory = new Directory(new BoardReader(fleet.memory));
        fleet.onAnnounce = (items) => {
          for (const item of items) directory.apply(item);
        };
        const revisions = new Revisions(directory, 'epoch234');
        const errors: string[] = [];
        const log = (level: string, message: string) => void (level === 'error' && errors.push(message));
        const live = new LiveStreams({ directory, revisions, clock, log, maxClients: CLIENTS, maxFrameBytes });
        const known = new Set<string>();
        const followers = clients.map(() => new Follower());
        const responses: (HeldResponse | undefined)[] = clients.map(() => undefined);
        const connect = (index: number) => {
          if (responses[index] !== undefined) return;
          const follower = followers[index] as Follower;
          const response = new HeldResponse(follower);
          responses[index] = response;
          follower.connected();
          if (follower.lastEventId !== undefined) resumed++;
          live.stream(
            { ...(clients[index] as (typeof clients)[number]), lastEventId: follower.lastEventId },
            () => response as unknown as ServerResponse,
          );
        };

        for (const step of steps) {
          if (step.type === 'change') make(step.change, fleet, known);
          else if (step.type === 'look') clock.advance(step.looks * POLL_MS);
          else if (step.type === 'take') responses[step.client]?.take();
          else if (step.type === 'connect') connect(step.client);
          else if (step.type === 'break') {
            responses[step.client]?.break(step.share);
            responses[step.client] = undefined;
          } else {
            for (const response of responses.splice(0)) response?.break(1);
            clock.advance(VIEW_KEPT_MS);
          }
        }

        for (const index of clients.keys()) connect(index);
        // The slowest is told something every 40 looks.
        for (let looks = 0; looks < 42; looks++) {
          for (const response of responses) response?.takeAll();
          clock.advance(POLL_MS);
        }
        for (const response of responses) response?.takeAll();

        followers.forEach(({ workers, lastEventId, events }, index) => {
          const { selection, fields } = clients[index] as (typeof clients)[number];
          const listed = new Map<string, unknown>();
          for (const entry of directory.all()) {
            if (!selection.matches(entry, directory)) continue;
            const text = new JsonText();
            putItem(text, entry, directory, fields);
            listed.set(entry.workerId, JSON.parse(text.bytes().toString()));
          }
          expect(workers).toEqual(listed);
          expect(revisions.counterIn(lastEventId as string)).toBeDefined();
          // Numbers of parts are in order, and none is missing.
          let part = 0;
          for (const { event, data } of events) {
            if (event !== 'snapshot') continue;
            if (data.part !== 1) expect(data.part).toBe(part + 1);
            part = data.part as number;
            parts = Math.max(parts, part);
          }
        });
        expect(errors).toEqual([]);
        for (const response of responses) response?.destroy();
        expect(live.bytesInFlight).toBe(0);
        clock.advance(VIEW_KEPT_MS);
        expect(clock.pending).toBe(0);
      },
    ),
    { numRuns: 400 },
  );
  // What it is about has happened.
  expect(resumed).toBeGreaterThan(100);
  expect(parts).toBeGreaterThan(2);
});
