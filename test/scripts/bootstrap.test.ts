import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBuilt } from '../../scripts/bootstrap/build.mjs';
import { RUNTIME_PACKAGES, thisMachine, unsupportedReason } from '../../scripts/bootstrap/machine.mjs';
import { link, pinnedNode } from '../../scripts/bootstrap/runtime.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LINUX = { platform: 'linux', arch: 'x64', nodeVersion: '18.0.0', glibc: '2.36' };

test('this machine can run it', () => {
  expect(unsupportedReason(thisMachine())).toBeUndefined();
  expect(unsupportedReason(LINUX)).toBeUndefined();
});

test.each([
  [{ platform: 'win32' }, 'Windows'],
  [{ arch: 'ia32' }, 'linux ia32'],
  [{ glibc: undefined }, 'without glibc'],
  [{ glibc: '2.17' }, 'glibc 2.28 or newer; this machine has 2.17'],
  [{ nodeVersion: '16.20.2' }, 'Node 18 or newer to install itself; this is 16.20.2'],
])('a machine with %o is told so in one line', (difference, words) => {
  const reason = unsupportedReason({ ...LINUX, ...difference } as Parameters<typeof unsupportedReason>[0]);
  expect(reason).toContain(words);
  expect(reason).not.toContain('\n');
});

test('each machine that is supported has its Node in the lockfile, all of one version', async () => {
  const { packages } = JSON.parse(await readFile(join(ROOT, 'scripts/runtime/package-lock.json'), 'utf8'));
  const versions = Object.values(RUNTIME_PACKAGES).map((name) => packages[`node_modules/${name}`]);
  expect(versions.every(({ integrity }) => /^sha512-/.test(integrity))).toBe(true);
  expect(new Set(versions.map(({ version }) => version)).size).toBe(1);
});

let copy: string;
beforeEach(async () => {
  copy = await mkdtemp(join(tmpdir(), 'pulselane-build-'));
  const inputs = [
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
    'package.json',
    'package-lock.json',
    'scripts/bootstrap',
    'scripts/shell-files.ts',
  ];
  for (const name of inputs) await cp(join(ROOT, name), join(copy, name), { recursive: true });
  await mkdir(join(copy, 'dist'));
  await cp(join(ROOT, 'dist/.inputs'), join(copy, 'dist/.inputs'));
});
afterEach(() => rm(copy, { recursive: true, force: true }));

test('what was built is built anew when an input changes, and only then', async () => {
  expect(isBuilt(copy)).toBe(true);
  const file = join(copy, 'src/lib/clock.ts');
  const before = await readFile(file, 'utf8');
  await writeFile(file, `${before}\n`);
  expect(isBuilt(copy)).toBe(false);
  await writeFile(file, before);
  expect(isBuilt(copy)).toBe(true);
  await writeFile(join(copy, 'src/new.ts'), '');
  expect(isBuilt(copy)).toBe(false);
});

test('without its stamp a build is no build', async () => {
  await rm(join(copy, 'dist/.inputs'));
  expect(isBuilt(copy)).toBe(false);
});

test.each([
  ['error while loading shared libraries: libatomic.so.1: cannot open shared object file', true],
  ['Illegal instruction', false],
])('a pinned Node that does not start with “%s” names the package to install: %s', async (cause, isNamed) => {
  const node = pinnedNode(copy);
  await mkdir(join(node, '..'), { recursive: true });
  await writeFile(node, `#!/bin/sh\necho "node: ${cause}" >&2\nexit 127\n`);
  await chmod(node, 0o755);
  let message = '';
  try {
    link(copy);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain(`${cause}\nStarting the pinned Node failed: exit code 127`);
  expect(message.includes('`apt-get install libatomic1` on Debian')).toBe(isNamed);
});
