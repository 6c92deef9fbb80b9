/** The invariants of the table in `live/counters.ts`, whatever changes and however late a view is. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { POLL_MS, VIEW_SLICE_MS } from '../../src/http/http-limits.ts';
import { ViewCounters } from '../../src/http/live/counters.ts';
import type { View } from '../../src/http/live/view.ts';
import { Views } from '../../src/http/live/views.ts';
import { ChangeOrder } from '../../src/reading/change-order.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { Directory } from '../../src/reading/directory.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { Revisions } from '../../src/reading/revisions.ts';
import { selectionBy } from '../../src/reading/selection.ts';
import { BoardReader } from '../../src/store/board.ts';
import { BusyClock } from './busy-clock.ts';
import { changeOf, make } from './fleet-changes.ts';
import { newFleet } from './support.ts';

/** Each is at most the next. */
function inOrder(...counters: readonly number[]): void {
  expect(counters).toEqual([...counters].sort((left, right) => left - right));
}

function expectInvariants({ counters }: Pick<View, 'counters'>, counter: number): void {
  const { beganAt, seenTo, changedAt, horizon, certainTo, mark, isComplete } = counters;
  inOrder(0, certainTo, mark.seenTo, seenTo, counter);
  inOrder(mark.seenTo, mark.counter, counter);
  inOrder(beganAt, horizon, Math.max(beganAt, seenTo));
  inOrder(beganAt, changedAt, Math.max(beganAt, seenTo));
  expect(isComplete).toBe(beganAt <= seenTo);
}

const ROWS = 5;

it('a change is certain only if the view saw it, and is so again once it has caught up', () => {
  let certain = 0;
  let missed = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { weight: 3, arbitrary: fc.nat(ROWS - 1).map((row) => ({ type: 'change', row }) as const) },
          { weight: 2, arbitrary: fc.nat(ROWS).map((workers) => ({ type: 'look', workers }) as const) },
        ),
        { maxLength: 200, size: 'max' },
      ),
      (steps) => {
        const order = new ChangeOrder(ROWS);
        const before = new Map<number, number>();
        const seen = new Set<number>();
        const counters = new ViewCounters();
        let counter = 0;
        counters.begin(counter);
        const look = (workers: number) => {
          let row = order.firstAfter(counters.seenTo);
          for (let left = workers; row !== -1 && left > 0; left--) {
            const at = order.at(row);
            const changeBefore = before.get(row) as number;
            const isSeen = changeBefore === 0 || seen.has(changeBefore);
            if (counters.isCertain(changeBefore)) {
              expect([changeBefore, isSeen]).toEqual([changeBefore, true]);
              certain++;
            } else if (!isSeen) missed++;
            seen.add(at);
            counters.saw(at);
            row = order.next(row);
          }
          if (row === -1) counters.saw(counter);
          counters.pause(counter);
        };
        for (const step of steps) {
          if (step.type === 'look') look(step.workers);
          else {
            before.set(step.row, order.at(step.row));
            order.move(step.row, ++counter);
          }
          expectInvariants({ counters }, counter);
        }
        look(ROWS);
        expect(counters.certainTo).toBe(counter);
      },
    ),
    { numRuns: 500 },
  );
  // What it is about has happened.
  expect([certain > 1_000, missed > 100]).toEqual([true, true]);
});

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
const step = fc.oneof(
  { weight: 6, arbitrary: changeOf(IDS).map((change) => ({ type: 'change', change }) as const) },
  { weight: 2, arbitrary: fc.constant({ type: 'look' } as const) },
  { weight: 2, arbitrary: fc.constantFrom(1, 10, POLL_MS).map((ms) => ({ type: 'pass', ms }) as const) },
);
const FILTERS: readonly Readonly<Record<string, string>>[] = [{}, { 'min.cpu_usage': '4' }, { state: 'active' }];

it('counters of views keep their order whatever changes, however late the views are', () => {
  let late = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
      fc.constantFrom(undefined, 'cpu_usage', 'state'),
      fc.constantFrom(0, VIEW_SLICE_MS),
      (steps, fields, costMs) => {
        const { clock, fleet } = newFleet(IDS.length, new BusyClock(costMs));
        const directory = new Directory(new BoardReader(fleet.memory));
        fleet.onAnnounce = (items) => {
          for (const item of items) directory.apply(item);
        };
        const revisions = new Revisions(directory, 'epoch234');
        const all = new Views(directory, revisions, clock);
        const known = new Set<string>();
        const views: View[] = [];
        steps.forEach((step, index) => {
          if (step.type === 'change') make(step.change, fleet, known);
          else if (step.type === 'look') revisions.look();
          else clock.advance(step.ms);
          const query = FILTERS[index % 7];
          if (query !== undefined && views.length < FILTERS.length && !all.areLate) {
            views.push(all.take(selectionBy(readCriteria(query).criteria), fieldsOf(fields)));
          }
          for (let row = 0; row < IDS.length; row++) {
            if (revisions.entryAt(row) === undefined) continue;
            inOrder(revisions.changeBefore(row), revisions.order.at(row), revisions.counter);
          }
          inOrder(revisions.horizon, revisions.counter);
          for (const view of views) {
            expectInvariants(view, revisions.counter);
            if (view.isBehind) late++;
            for (const { workerId, at } of view.leftAfter(view.horizon)) {
              expect(IDS).toContain(workerId);
              inOrder(view.horizon, at, view.seenTo);
            }
            if (view.order === revisions.order) continue;
            for (let row = 0; row < IDS.length; row++) inOrder(view.order.at(row), view.seenTo);
          }
        });
      },
    ),
    { numRuns: 200 },
  );
  expect(late).toBeGreaterThan(1_000);
});
