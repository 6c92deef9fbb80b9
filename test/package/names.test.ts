/** Nobody is told to take the name "pulselane" from a registry: what lies there under it, if anything, is not ours. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { private: isPrivate } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { private?: boolean };

/** A registry's name, and not a file: `npm install pulselane`, `npx pulselane`, `npm exec pulselane`. */
const FROM_REGISTRY = [
  /\bnpm (?:i|install|add)\b(?: -\S+(?: \/\S+)?)* pulselane\b(?!-)/,
  /\bnpx (?!--no\b)(?:-\S+ )*pulselane\b/,
  /\bnpm exec (?!--no\b)(?:-\S+ )*(?:-- )?pulselane\b/,
  /\b(?:pnpm|yarn|bun) (?:add|dlx|x) pulselane\b/,
  /npx (-\S+ )*pulselane|npm (install|i|exec(?! --no)|x) (-\S+ )*pulselane(?![\w-]*[-.]\d)\b/,
];

const isFromRegistry = (text: string) => FROM_REGISTRY.some((pattern) => pattern.test(text));

test.each([
  ['npm install pulselane', true],
  ['npm install --global --prefix /opt/pulselane pulselane', true],
  ['npx pulselane workers', true],
  ['npm exec -- pulselane', true],
  ['npx --no pulselane', true],
  ['npm x pulselane', true],
  ['npm add pulselane', true],
  ['pnpm dlx pulselane', true],
  ['npm exec --no -- pulselane', false],
  ['npm install --global ./pulselane-0.1.0.tgz', false],
  ['npm install --global --prefix /opt/pulselane ./packages/pulselane-*.tgz', false],
  ['apt install ./pulselane_0.1.0_amd64.deb', false],
])('%s: from a registry %s', (line, expected) => {
  expect(isFromRegistry(line)).toBe(expected);
});

/** All that we write ourselves, and users may read: pages, sources, what is made of them, examples. */
function ownFiles(): string[] {
  const folders = ['src', 'bin', 'scripts', 'deploy', 'proto', 'bench', 'examples', 'docs', '.ci'];
  const found = folders.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }));
  const files = found.filter(
    (entry) => entry.isFile() && !/node_modules|__pycache__/.test(relative(ROOT, entry.parentPath)),
  );
  return [
    ...files.map(({ parentPath, name }) => join(parentPath, name)),
    join(ROOT, 'README.md'),
    join(ROOT, 'CHANGELOG.md'),
  ];
}

test('no page, no source and no script takes it from there, and it cannot be published there', () => {
  expect(isPrivate).toBe(true);
  const files = ownFiles();
  expect(files.length).toBeGreaterThan(300);
  const found = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => `${relative(ROOT, file)}: ${line.trim()}`),
  );
  expect(found.filter(isFromRegistry)).toEqual([]);
});

test('a package that is not one of ours is refused before anything is made', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/package/run.ts'), 'rpm'], {
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: 'unknown package "rpm": expected tarball, deb, executable, or none for all\n',
  });
});
