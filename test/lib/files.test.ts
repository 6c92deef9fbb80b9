import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Line, readLines } from '../../src/lib/lines.ts';
import { replaceFile } from '../../src/lib/replace-file.ts';
import { textsInTurns } from '../../src/lib/turns.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-files-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function linesOf(content: string | Buffer, maxBytes = 1e6): Promise<Line[]> {
  await writeFile(path, content);
  return allOf(readLines(path, maxBytes));
}

test('lines come back as they were written, whatever separators and lengths they have', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }).map((line) => line.toWellFormed().replaceAll('\n', '\u2028')),
    fc.integer({ min: 60_000, max: 140_000 }).map((length) => 'é'.repeat(length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 8 }), fc.string({ maxLength: 5 }), async (texts, rest) => {
      const last = rest.replaceAll('\n', '');
      const lines = await linesOf(texts.map((line) => `${line}\n`).join('') + last);
      expect(lines).toEqual([
        ...texts.map((line) => ({ text: line, isEnded: true })),
        ...(last === '' ? [] : [{ text: last, isEnded: false }]),
      ]);
    }),
    { numRuns: 20 },
  );
});

test('a line that is too long, or not UTF-8, is passed over and the next one read', async () => {
  const long = Buffer.alloc(1_000_000, 'x');
  const bad = Buffer.from([0x61, 0xff]);
  const lines = await linesOf(Buffer.concat([long, Buffer.from('\n'), bad, Buffer.from('\nnext\n')]), 10);
  expect(lines.map(({ text }) => text)).toEqual([undefined, undefined, 'next']);
});

test('a write that fails half-way leaves the old content and nothing else', async () => {
  await replaceFile(path, ['old']);
  async function* failing() {
    yield 'new';
    throw new Error('the disk is full');
  }
  await expect(replaceFile(path, failing())).rejects.toThrow('the disk is full');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['file']);

  await writeFile(`${path}.new`, 'left behind by a killed writer, and longer');
  await replaceFile(path, ['new', 'er']);
  expect(await readFile(path, 'utf8')).toBe('newer');
  expect(await readdir(folder)).toEqual(['file']);
});

test('what cannot be replaced is told', async () => {
  await mkdir(path);
  await expect(replaceFile(path, ['x'])).rejects.toThrow(/EISDIR/);
  expect(await readdir(folder)).toEqual(['file']);
});

test('texts are made a few at a time, and others have their turn in between', async () => {
  let turns = 0;
  const others = setImmediate(function turn() {
    turns++;
    next = setImmediate(turn);
  });
  let next = others;
  const madeIn = new Map<number, number>();
  const texts = await allOf(
    textsInTurns(Array(1000).keys(), (n) => {
      madeIn.set(turns, (madeIn.get(turns) ?? 0) + 1);
      return `${n} `;
    }),
  );
  clearImmediate(next);
  expect(texts.join('').trim().split(' ').map(Number)).toEqual([...Array(1000).keys()]);
  expect([...madeIn.values()]).toEqual(Array(10).fill(100));
  const large = await allOf(textsInTurns(Array(3).keys(), () => 'x'.repeat(100_000)));
  expect(large.map(({ length }) => length)).toEqual([200_000, 100_000]);
});

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
