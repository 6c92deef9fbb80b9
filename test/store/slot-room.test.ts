import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonCapacityFor, LEAST_JSON_CAPACITY } from '../../src/store/layout.ts';
import { NO_SMALL_RECORDS, roomAfter, SHRINK_AFTER, type SlotRoom, whyNoRoom } from '../../src/store/slot-room.ts';

const sizes = fc.array(fc.oneof(fc.nat(3000), fc.nat(1_000_000)), { minLength: 1, maxLength: 100 });
const FIRST: SlotRoom = { capacity: LEAST_JSON_CAPACITY, small: NO_SMALL_RECORDS };

test('there is always room for the record, and a slot never shrinks below what its recent records needed', () => {
  fc.assert(
    fc.property(sizes, fc.boolean(), (bytes, isShort) => {
      let room = FIRST;
      for (const [index, size] of bytes.entries()) {
        const before = room.capacity;
        room = roomAfter(room, size, isShort);
        expect(room.capacity).toBeGreaterThanOrEqual(size);
        if (room.capacity >= before) continue;
        const last = bytes.slice(Math.max(0, index + 1 - (isShort ? 1 : SHRINK_AFTER)), index + 1);
        expect(last).toHaveLength(isShort ? 1 : SHRINK_AFTER);
        expect(room.capacity).toBe(jsonCapacityFor(Math.max(...last)));
        expect(4 * room.capacity).toBeLessThanOrEqual(before);
      }
    }),
  );
});

test('the slot of a worker with alternating record sizes settles instead of growing and shrinking for ever', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: SHRINK_AFTER }), (pattern) => {
      let room = FIRST;
      let changes = 0;
      for (let round = 0; round < 20; round++) {
        for (const size of pattern) {
          const { capacity } = room;
          room = roomAfter(room, size, false);
          if (round >= 2 && room.capacity !== capacity) changes++;
        }
      }
      expect(changes).toBe(0);
    }),
  );
});

test('while memory is short a slot shrinks at once; the minimum capacity is never refused', () => {
  const large = roomAfter(FIRST, 100_000, false);
  expect(roomAfter(large, 500, false).capacity).toBe(large.capacity);
  expect(roomAfter(large, 500, true).capacity).toBe(LEAST_JSON_CAPACITY);
  const none = { maxRecordBytes: 10_000, maxCapacityBytes: 0, isShort: true };
  expect(whyNoRoom(800, none)).toBeUndefined();
  expect(whyNoRoom(2000, none)?.cause).toBe('record_memory');
  expect(whyNoRoom(20_000, none)?.cause).toBe('record_size');
});
