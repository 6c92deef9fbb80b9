import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUF = join(ROOT, 'node_modules/.bin/buf');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-buf-'));
  for (const name of ['proto', 'buf.yaml', 'buf.gen.yaml'])
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function buf(...args: string[]) {
  const PATH = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`;
  return spawnSync(BUF, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH } });
}

test('the protocol keeps the rules of buf', () => {
  const { status, stdout, stderr } = buf('lint');
  expect(`${stdout}${stderr}`).toBe('');
  expect(status).toBe(0);
});

test('the generated code is that of the protocol: npm run generate', async () => {
  const { status, stderr } = buf('generate');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const filesIn = async (root: string) =>
    (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
      .sort();
  const generated = join(folder, 'src/gen');
  const committed = join(ROOT, 'src/gen');
  expect(await filesIn(committed)).toEqual(await filesIn(generated));
  for (const file of await filesIn(generated)) {
    expect(await readFile(join(committed, file), 'utf8')).toBe(await readFile(join(generated, file), 'utf8'));
  }
});
