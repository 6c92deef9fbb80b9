import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Batch } from '../../src/history/backend.ts';
import { Spool } from '../../src/history/spool.ts';
import { encodeRecord, piecesOf, type SpoolEntry } from '../../src/history/spool-records.ts';
import { repetitions } from '../support/repetitions.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'pulselane-spool-')), 'history-spool');
  folders.push(folder);
  return folder;
}

const MIB = 1024 ** 2;
const RUN = { bootId: 'aa', startedMs: 1000 };

function batch(number: number, samples = 3): Batch {
  const at = Float64Array.from({ length: samples }, (_, n) => 1_000_000 + number * 1000 + n);
  return {
    bootId: RUN.bootId,
    number,
    atMs: number * 1000,
    samples: [
      {
        workerId: 'w',
        run: 0,
        first: number * 10,
        at,
        flags: new Uint8Array(samples),
        columns: new Map([['cpu_usage', at.map((value) => value / 7)]]),
      },
    ],
    gaps: [{ workerId: undefined, fromMs: 1, toMs: 2, reason: 'clock_set', lost: 0 }],
    taskRuns: [],
    events: [{ id: number, atUnixMs: number, type: 'stall' }],
  };
}

const entry = (number: number, samples?: number): SpoolEntry => ({ run: RUN, batch: batch(number, samples) });

async function drain(spool: Spool): Promise<SpoolEntry[]> {
  const entries: SpoolEntry[] = [];
  for (let found = await spool.peek(); found !== undefined; found = await spool.peek()) {
    entries.push(found);
    await spool.advance();
  }
  return entries;
}

test('batches come back as they were, in order, also to a later thread; what the database has is removed', async () => {
  const folder = newFolder();
  const first = await Spool.open(folder, 64 * MIB);
  expect(first.isEmpty).toBe(true);
  for (let number = 1; number <= 5; number++) expect(await first.append(entry(number))).toBe(true);
  expect(await first.peek()).toEqual(entry(1));
  expect(await first.peek()).toEqual(entry(1));
  await first.advance();

  const second = await Spool.open(folder, 64 * MIB);
  expect(second.heads.map(({ number, samples, lastEventId }) => [number, samples, lastEventId])).toEqual(
    [1, 2, 3, 4, 5].map((number) => [number, 3, number]),
  );
  await second.append(entry(6));
  expect(await drain(second)).toEqual([1, 2, 3, 4, 5, 6].map((number) => entry(number)));
  expect([second.isEmpty, second.bytes, second.damaged, readdirSync(folder)]).toEqual([true, 0, 0, []]);
  await second.append(entry(7));
  expect(await drain(await Spool.open(folder, 64 * MIB))).toEqual([entry(7)]);
});

test('what does not fit is refused, and the oldest stays', async () => {
  const folder = newFolder();
  const { length } = encodeRecord(entry(1));
  const spool = await Spool.open(folder, Math.ceil(3.5 * length));
  const kept: boolean[] = [];
  for (let number = 1; number <= 5; number++) kept.push(await spool.append(entry(number)));
  expect(kept).toEqual([true, true, true, false, false]);
  await spool.advance();
  expect(spool.bytes).toBeGreaterThan(0);
  expect((await drain(spool)).map(({ batch }) => batch.number)).toEqual([2, 3]);
  expect(await spool.append(entry(6))).toBe(true);
});

test('large spools are several files, and each is removed when all its batches are in the database', async () => {
  const folder = newFolder();
  const spool = await Spool.open(folder, 256 * MIB);
  const big = (number: number): SpoolEntry => {
    const made = batch(number, 300_000);
    const noise = new Float64Array(300_000).map(() => Math.random());
    return {
      run: RUN,
      batch: { ...made, samples: made.samples.map((run) => ({ ...run, at: noise, columns: new Map() })) },
    };
  };
  for (let number = 1; number <= 18; number++) await spool.append(big(number));
  const files = readdirSync(folder).length;
  expect(files).toBeGreaterThan(1);
  const again = await Spool.open(folder, 256 * MIB);
  expect(again.heads.map(({ number }) => number)).toEqual(Array.from({ length: 18 }, (_, n) => n + 1));
  for (let number = 1; number <= 17; number++) await again.advance();
  expect(readdirSync(folder).length).toBe(1);
});

/** Every byte at which a kill -9, or a power cut, can end the newest file. */
test('wherever the last write was cut, all batches before it are there, and a new one can follow', async () => {
  const records = [1, 2, 3].map((number) => encodeRecord(entry(number)));
  const whole = Buffer.concat(records);
  const ends = records.map((_, n) => records.slice(0, n + 1).reduce((sum, { length }) => sum + length, 0));
  const folder = newFolder();
  await (await Spool.open(folder, MIB)).append(entry(1));
  const path = join(folder, readdirSync(folder)[0] as string);
  const step = repetitions(7, 1);
  for (let cut = 0; cut <= whole.length; cut += step) {
    writeFileSync(path, whole.subarray(0, cut));
    const spool = await Spool.open(folder, MIB);
    expect(spool.damaged).toBe(0);
    await spool.append(entry(9));
    const expected = [...[1, 2, 3].filter((_, n) => (ends[n] as number) <= cut), 9];
    expect((await drain(await Spool.open(folder, MIB))).map(({ batch }) => batch.number)).toEqual(expected);
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
  }
});

describe('damage', () => {
  const numbers = [1, 2, 3, 4, 5];
  const records = numbers.map((number) => encodeRecord(entry(number)));
  const whole = Buffer.concat(records);
  const ends = records.map((_, n) => records.slice(0, n + 1).reduce((sum, { length }) => sum + length, 0));
  const recordAt = (byte: number) => ends.findIndex((end) => byte < end);

  test('anywhere costs the records that it hits, never others, and all bytes are accounted for', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        (flips) => {
          const file = Buffer.from(whole);
          for (const [at, by] of flips) file[at] = (file[at] as number) ^ by;
          const isHit = numbers.map((_, n) => !file.subarray(ends[n - 1] ?? 0, ends[n]).equals(records[n] as Buffer));
          const pieces = piecesOf(file);
          const read = pieces.flatMap((piece) => (piece.kind === 'record' ? [piece.head.number] : []));
          expect(read).toEqual(numbers.filter((_, n) => !isHit[n]));
          expect(pieces.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(file.length);
        },
      ),
      { numRuns: repetitions(100, 2000) },
    );
  });

  test('is counted with the samples that are known to be missing, and the file goes when the rest is read', async () => {
    const folder = newFolder();
    const made = await Spool.open(folder, MIB);
    for (const number of numbers) await made.append(entry(number));
    const path = join(folder, readdirSync(folder)[0] as string);
    const file = readFileSync(path);
    // The last byte of the second record: its body.
    const at = (ends[1] as number) - 1;
    expect(recordAt(at)).toBe(1);
    file[at] = (file[at] as number) ^ 1;
    writeFileSync(path, file);
    const spool = await Spool.open(folder, MIB);
    expect(spool.damaged).toBe(1);
    const keptAs = `${path}-${ends[0]}.damaged`;
    expect(spool.takeDamage()).toEqual([{ bytes: records[1]?.length, samples: 3, fromMs: 1000, toMs: 3000, keptAs }]);
    expect(spool.takeDamage()).toEqual([]);
    expect((await drain(spool)).map(({ batch }) => batch.number)).toEqual([1, 3, 4, 5]);
    expect(readdirSync(folder)).toEqual([basename(keptAs)]);
  });

  test('of the last record is told like any other, wherever it is, and its bytes are kept', async () => {
    const last = records[4] as Buffer;
    const step = repetitions(29, 1);
    for (let at = 0; at < last.length; at += step) {
      const folder = newFolder();
      const made = await Spool.open(folder, MIB);
      for (const number of numbers) await made.append(entry(number));
      const path = join(folder, readdirSync(folder)[0] as string);
      const file = readFileSync(path);
      const from = ends[3] as number;
      file[from + at] = (file[from + at] as number) ^ 0x81;
      writeFileSync(path, file);
      const spool = await Spool.open(folder, MIB);
      const [damage, ...more] = spool.takeDamage();
      expect(more).toEqual([]);
      expect(damage?.fromMs).toBe(4000);
      expect(damage?.toMs).toBeGreaterThanOrEqual(5000);
      expect(readFileSync(damage?.keptAs as string)).toEqual(file.subarray(from));
      await spool.append(entry(6));
      const again = await Spool.open(folder, MIB);
      expect(again.damaged).toBe(0);
      expect((await drain(again)).map(({ batch }) => batch.number)).toEqual([1, 2, 3, 4, 6]);
    }
  });

  test('that comes while the spool is open, or a file that is gone, is found when it is read', async () => {
    const folder = newFolder();
    const spool = await Spool.open(folder, MIB);
    for (const number of numbers) await spool.append(entry(number));
    const path = join(folder, readdirSync(folder)[0] as string);
    truncateSync(path, ends[2]);
    expect((await drain(spool)).map(({ batch }) => batch.number)).toEqual([1, 2, 3]);
    expect(spool.damaged).toBe(2);
    await spool.append(entry(6));
    rmSync(folder, { recursive: true });
    expect(await drain(spool)).toEqual([]);
    expect(await spool.append(entry(7))).toBe(true);
    expect((await drain(spool)).map(({ batch }) => batch.number)).toEqual([7]);
  });
});

test('a disk that is full is an error, and what was there stays readable', async () => {
  const folder = newFolder();
  const spool = await Spool.open(folder, MIB);
  await spool.append(entry(1));
  // A folder in place of the next file: the write fails whoever runs the test.
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'a file');
  await expect(spool.append(entry(2))).rejects.toThrow();
  rmSync(folder);
  expect(await spool.append(entry(3))).toBe(true);
});
