import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MapRound } from '../../src/lib/map-round.ts';

test('whatever comes and goes, who stays is met once in each round, and no piece is larger than it may be', () => {
  const changes = fc.array(fc.record({ remove: fc.nat(50), add: fc.nat(50) }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 7 }), changes, (staying, most, steps) => {
      const map = new Map<string, number>();
      for (let i = 0; i < staying; i++) map.set(`stays-${i}`, 0);
      const round = new MapRound(map);
      for (const { remove, add } of steps) {
        const piece = [...round.next(most)];
        expect(piece.length).toBeLessThanOrEqual(most);
        for (const [key] of piece) map.set(key, (map.get(key) ?? 0) + 1);
        map.delete(`passes-${remove}`);
        map.set(`passes-${add}`, 0);
      }
      const met = [...map].filter(([key]) => key.startsWith('stays')).map(([, times]) => times);
      expect(Math.max(...met) - Math.min(...met)).toBeLessThanOrEqual(1);
      // At most the map as it was at its largest, in pieces.
      const rounds = Math.floor((steps.length * most) / (staying + 51 + most + steps.length));
      expect(Math.min(...met)).toBeGreaterThanOrEqual(rounds > 0 ? 1 : 0);
    }),
  );
});
