import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { replaceFile } from '../../src/lib/replace-file.ts';
import { textsInTurns } from '../../src/lib/turns.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-files-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

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

test('what another process has begun to write stays its own, and so does the file once it is', async () => {
  await replaceFile(path, ['old']);
  async function* overtaken() {
    yield 'mine';
    await rm(`${path}.new`);
    await writeFile(`${path}.new`, 'theirs');
    yield ', late';
  }
  await expect(replaceFile(path, overtaken())).rejects.toThrow('another process’s');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readFile(`${path}.new`, 'utf8')).toBe('theirs');
  await expect(replaceFile(path, ['mine'], { mayReplace: () => false })).rejects.toThrow('another process’s');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['file']);
});

test('among others nothing that is there is removed', async () => {
  await writeFile(`${path}.new`, 'of a person');
  await replaceFile(path, ['x'], { isAmongOthers: true });
  expect((await readdir(folder)).sort()).toEqual(['file', 'file.new']);
  expect(await readFile(`${path}.new`, 'utf8')).toBe('of a person');
});

test('one that stood still while it wrote does not write into what another made since', async () => {
  const standing = await open(`${path}.new`, 'w');
  await replaceFile(path, ['theirs']);
  await standing.write('mine');
  await standing.close();
  expect(await readFile(path, 'utf8')).toBe('theirs');
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
