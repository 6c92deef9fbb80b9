import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { Directory } from '../../src/reading/directory.ts';
import { allocateBoard, BoardReader, BoardWriter } from '../../src/store/board.ts';
import { BoardWord } from '../../src/store/layout.ts';
import { newSlot } from '../../src/store/slot-writer.ts';

const at = (monotonicMs: number, wallMs = 1_795_456_495_000) => ({ monotonicMs, wallMs });

test('the occupant number distinguishes a released row from its next use', () => {
  const board = new BoardWriter(allocateBoard(1, 0));
  const first = board.occupy(at(0));
  expect(board.occupy(at(0))).toBeUndefined();
  board.setState(0, 'active', 'heartbeat', 0);
  board.release(0);
  const second = board.occupy(at(0));
  expect(second?.row).toBe(first?.row);
  expect(second?.occupant).not.toBe(first?.occupant);
  expect(board.isOccupiedBy(0, first?.occupant as number)).toBe(false);
  expect(board.view(0, 0).state).toBe('registered');
});

test('workers and active workers are counted as rows are occupied, released and changed', () => {
  const board = new BoardWriter(allocateBoard(4, 0));
  const rows = [0, 1, 2].map(() => (board.occupy(at(0)) as { row: number }).row);
  for (const row of rows) board.setState(row, 'active', 'heartbeat', 0);
  board.setState(rows[0] as number, 'inactive', 'heartbeat', 0);
  board.setState(rows[0] as number, 'inactive', 'heartbeat', 0);
  board.release(rows[1] as number);
  const reader = new BoardReader(board.memory);
  expect([reader.workers, reader.activeWorkers]).toEqual([2, 1]);
});

test('ages follow the monotonic clock, and a stamp in the future has age 0', () => {
  const board = new BoardWriter(allocateBoard(1, 5000));
  board.occupy(at(5000));
  board.accepted(0, at(7000));
  expect(board.view(0, 8500).ageMs).toBe(1500);
  expect(board.view(0, 6990).ageMs).toBe(0);
  board.stampBeat(9000);
  expect(board.beatAgeMs(21_000)).toBe(12_000);
});

test('a directory does not show a worker whose row has another occupant by now', () => {
  const board = new BoardWriter(allocateBoard(1, 0));
  const directory = new Directory(board);
  const place = board.occupy(at(0));
  if (place === undefined) throw new Error('the board is full');
  directory.apply({ type: 'slotAdded', workerId: 'a', ...place, slot: newSlot('a', 2) });
  expect(directory.get('a')?.workerId).toBe('a');
  board.release(place.row);
  board.occupy(at(0));
  expect(directory.get('a')).toBeUndefined();
  expect([...directory.all()]).toEqual([]);
});

test('heartbeats are counted beyond 32 bits', () => {
  const memory = allocateBoard(1, 0);
  const board = new BoardWriter(memory);
  const at = { monotonicMs: 0, wallMs: 0 };
  const { row } = board.occupy(at) as { row: number };
  const words = new Int32Array(memory.rows);
  words[BoardWord.heartbeats] = -2;
  for (let n = 1; n <= 3; n++) board.accepted(row, at);
  expect(board.heartbeats).toBe(2 ** 32 + 1);
});

test('a wrap of the heartbeat count is never missed, whenever it is read', () => {
  const memory = allocateBoard(1, 0);
  const board = new BoardWriter(memory);
  const { row } = board.occupy(at(0)) as { row: number };
  const words = new Int32Array(memory.rows);
  const { add } = Atomics;
  onTestFinished(() => void Object.assign(Atomics, { add }));
  for (const halves of [1, 2, 3, 4]) {
    const total = halves * 2 ** 31 - 2;
    words[BoardWord.heartbeats] = total | 0;
    words[BoardWord.heartbeatHalves] = halves - 1;
    const read: number[] = [];
    Atomics.add = ((...given: Parameters<typeof add>) => {
      const before = add(...given);
      read.push(board.heartbeats);
      return before;
    }) as typeof add;
    for (let n = 0; n < 4; n++) board.accepted(row, at(0));
    Atomics.add = add;
    // Of each heartbeat one look before it is counted for all, and one behind that; and one between the two halves.
    expect(read).toEqual([0, 1, 1, 2, 2, 2, 3, 3, 4].map((more) => total + more));
  }
});

test('numbers that a worker can make large are read whole, however large', () => {
  const board = new BoardWriter(allocateBoard(1, 0));
  board.occupy(at(0));
  expect(board.skewMs(0)).toBeUndefined();
  const anyNumber = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(fc.oneof(anyNumber, fc.integer()), (number) => {
      board.setSkew(0, number);
      board.setMissed(0, Math.abs(number));
      expect(new BoardReader(board.memory).view(0, 0)).toMatchObject({ skewMs: number, missed: Math.abs(number) });
    }),
  );
});
