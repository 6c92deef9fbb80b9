import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AckRota, type AckStream, MAX_STREAMS_PER_TURN, SLOTS } from '../../src/rpc/ack-rota.ts';
import { FakeClock } from '../support/fake-clock.ts';

const PERIOD_MS = 3000;
const SLOT_MS = PERIOD_MS / SLOTS;

/** Time may also pass without a timer, as while the thread stands still. */
class StallingClock extends FakeClock {
  stalledMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.stalledMs;
  }
}

/** A rota whose later turns are held back until the test takes them. */
function newRota() {
  const clock = new StallingClock();
  const turns: (() => void)[] = [];
  const rota = new AckRota({ clock, periodMs: PERIOD_MS, later: (turn) => turns.push(turn) });
  const takeTurns = () => {
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  };
  return { clock, rota, turns, takeTurns };
}

class CountingStream implements AckStream {
  flushes = 0;

  flush(): void {
    this.flushes++;
  }
}

function newStreams(count: number): CountingStream[] {
  return Array.from({ length: count }, () => new CountingStream());
}

function flushesOf(streams: readonly CountingStream[]): number {
  return streams.reduce((sum, { flushes }) => sum + flushes, 0);
}

describe('an ack', () => {
  test('waits for no longer than the period, whoever comes and goes', () => {
    const action = fc.record({
      afterMs: fc.integer({ min: 0, max: 2 * PERIOD_MS }),
      what: fc.constantFrom('open', 'close', 'heartbeat', 'heartbeat'),
      who: fc.nat({ max: 99 }),
      many: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const { clock, rota, takeTurns } = newRota();
        const open: { waitsSinceMs: number | undefined; flush(): void }[] = [];
        let longestMs = 0;
        const check = () => {
          takeTurns();
          for (const { waitsSinceMs } of open) {
            if (waitsSinceMs !== undefined) longestMs = Math.max(longestMs, clock.monotonicMs() - waitsSinceMs);
          }
        };
        const pass = (ms: number) => {
          for (let passed = 0; passed < ms; passed += SLOT_MS) {
            clock.advance(Math.min(SLOT_MS, ms - passed));
            check();
          }
        };
        for (const { afterMs, what, who, many } of actions) {
          pass(afterMs);
          const stream = open[who % Math.max(1, open.length)];
          if (what === 'open') {
            for (let opened = 0; opened < many; opened++) {
              const one = {
                waitsSinceMs: undefined as number | undefined,
                flush: () => {
                  one.waitsSinceMs = undefined;
                },
              };
              open.push(one);
              rota.add(one);
            }
          } else if (stream !== undefined && what === 'heartbeat') {
            stream.waitsSinceMs ??= clock.monotonicMs();
          } else if (stream !== undefined) {
            rota.delete(stream);
            open.splice(open.indexOf(stream), 1);
          }
        }
        pass(PERIOD_MS);
        expect(longestMs).toBeLessThanOrEqual(PERIOD_MS);
        expect(open.every(({ waitsSinceMs }) => waitsSinceMs === undefined)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('streams', () => {
  test('that are opened at once are spread evenly over the period', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12_000 }), (count) => {
        const { clock, rota, takeTurns } = newRota();
        const streams = newStreams(count);
        for (const stream of streams) rota.add(stream);
        for (let slot = 0; slot < SLOTS; slot++) {
          const before = flushesOf(streams);
          clock.advance(SLOT_MS);
          takeTurns();
          expect(Math.abs(flushesOf(streams) - before - count / SLOTS)).toBeLessThan(1);
        }
        expect(streams.every(({ flushes }) => flushes === 1)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('that open later fill the slots of those that have closed', () => {
    const { clock, rota, takeTurns } = newRota();
    const streams = newStreams(600);
    for (const stream of streams) rota.add(stream);
    // All of half of the slots.
    for (const [index, stream] of streams.entries()) if (index % SLOTS < SLOTS / 2) rota.delete(stream);
    const later = newStreams(300);
    for (const stream of later) rota.add(stream);
    for (let slot = 0; slot < SLOTS; slot++) {
      const before = flushesOf(streams) + flushesOf(later);
      clock.advance(SLOT_MS);
      takeTurns();
      expect(flushesOf(streams) + flushesOf(later) - before).toBe(10);
    }
  });

  test('are asked a bounded number in a turn, each once, also after a stall', () => {
    const { clock, rota, turns } = newRota();
    const streams = newStreams(10_000);
    for (const stream of streams) rota.add(stream);
    clock.stalledMs = 10 * PERIOD_MS;
    clock.advance(SLOT_MS);
    let before = 0;
    for (;;) {
      const flushed = flushesOf(streams);
      expect(flushed - before).toBeLessThanOrEqual(MAX_STREAMS_PER_TURN);
      before = flushed;
      const turn = turns.shift();
      if (turn === undefined) break;
      turn();
    }
    expect(streams.every(({ flushes }) => flushes === 1)).toBe(true);
  });

  test('that have closed are not asked any more, even if they are due', () => {
    const { clock, rota, turns, takeTurns } = newRota();
    const streams = newStreams(SLOTS * 2 * MAX_STREAMS_PER_TURN);
    for (const stream of streams) rota.add(stream);
    clock.advance(SLOT_MS);
    expect(turns).toHaveLength(1);
    expect(flushesOf(streams)).toBe(MAX_STREAMS_PER_TURN);
    for (const stream of streams) rota.delete(stream);
    takeTurns();
    clock.advance(PERIOD_MS);
    expect(flushesOf(streams)).toBe(MAX_STREAMS_PER_TURN);
  });
});
