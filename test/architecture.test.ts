import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
let folder: string;

/** A tree with nothing but our rules. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-lint-'));
  cpSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the linter that `npm test` runs says to `code` if it stood in `file`. */
function lint(file: string, code: string): { refused: boolean; output: string } {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), code);
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'node_modules/.bin/biome'), ['lint', file], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { refused: status !== 0, output: `${stdout}${stderr}` };
}

test.each([
  ['src/store/wrong.ts', "import { Roster } from '../engine/roster.ts';\nexport const x = Roster;\n"],
  ['src/store/wrong.ts', "import type { Roster } from '../engine/roster.ts';\nexport type X = Roster;\n"],
  ['src/store/wrong.ts', "export { Roster } from '../engine/roster.ts';\n"],
  ['src/store/wrong.ts', "export const x = import('../lane/lane.ts');\n"],
  ['src/store/wrong.ts', "import { Directory } from '../reading/directory.ts';\nexport const x = Directory;\n"],
  ['src/lane/wrong.ts', "import { Directory } from '../reading/directory.ts';\nexport const x = Directory;\n"],
  ['src/reading/wrong.ts', "import { Lane } from '../lane/lane.ts';\nexport const x = Lane;\n"],
  ['src/reading/wrong.ts', "import { Roster } from '../engine/roster.ts';\nexport const x = Roster;\n"],
  ['src/model/wrong.ts', "import { masterOptions } from '../config/options.ts';\nexport const x = masterOptions;\n"],
  ['src/cli/wrong.ts', "import { Agent } from '../agent/agent.ts';\nexport const x = Agent;\n"],
  ['src/agent/wrong.ts', "import { Directory } from '../reading/directory.ts';\nexport const x = Directory;\n"],
  ['src/http/wrong.ts', "import { startMaster } from '../app/master.ts';\nexport const x = startMaster;\n"],
  ['src/engine/wrong.ts', "import { Worker } from 'node:worker_threads';\nexport const x = Worker;\n"],
  ['src/engine/wrong.ts', "import { Server } from '@grpc/grpc-js';\nexport const x = Server;\n"],
  ['src/history/wrong.ts', "import { DatabaseSync } from 'node:sqlite';\nexport const x = DatabaseSync;\n"],
  ['src/history/sqlite/wrong.ts', "import pg from 'pg';\nexport const x = pg;\n"],
  ['src/alerts/wrong.ts', "import { DatabaseSync } from 'node:sqlite';\nexport const x = DatabaseSync;\n"],
  ['src/alerts/store/wrong.ts', "import { parse } from 'yaml';\nexport const x = parse;\n"],
  ['src/app/wrong.ts', "import { Environment } from '@marcbachmann/cel-js';\nexport const x = Environment;\n"],
  ['src/http/wrong.ts', "import nodemailer from 'nodemailer';\nexport const x = nodemailer;\n"],
  ['src/alerts/wrong.ts', "import { x } from '../history/host.ts';\nexport const y = x;\n"],
  ['src/http/wrong.ts', "import pg from 'pg';\nexport const x = pg;\n"],
  ['src/app/wrong.ts', "import { Registry } from 'prom-client';\nexport const x = Registry;\n"],
  ['src/rpc/wrong.ts', "import { Hono } from 'hono';\nexport const x = Hono;\n"],
  ['src/cli/wrong.ts', "import { McpServer } from '@modelcontextprotocol/server';\nexport const x = McpServer;\n"],
  ['src/engine/wrong.ts', 'export const x = new SharedArrayBuffer(4);\n'],
  ['src/cli/wrong.ts', 'export const x = process.env.HOME;\n'],
])('%s with %j is refused', (file, code) => {
  const { refused, output } = lint(file, code);
  expect(refused, output).toBe(true);
  expect(output).toMatch(/noRestricted|noProcessEnv/);
});

test.each([
  ['src/engine/right.ts', "import { BoardWriter } from '../store/board.ts';\nexport const x = BoardWriter;\n"],
  ['src/metrics/export/otlp/right.ts', "import { Client } from '@grpc/grpc-js';\nexport const x = Client;\n"],
  ['src/history/sqlite/right.ts', "import { DatabaseSync } from 'node:sqlite';\nexport const x = DatabaseSync;\n"],
  ['src/history/postgres/right.ts', "import pg from 'pg';\nexport const x = pg;\n"],
  ['src/alerts/store/right.ts', "import { DatabaseSync } from 'node:sqlite';\nexport const x = DatabaseSync;\n"],
  ['src/alerts/rules/right.ts', "import { parse } from 'yaml';\nexport const x = parse;\n"],
  ['src/alerts/expression/right.ts', "import { parse } from '@marcbachmann/cel-js';\nexport const x = parse;\n"],
  ['src/alerts/delivery/right.ts', "import nodemailer from 'nodemailer';\nexport const x = nodemailer;\n"],
  ['src/metrics/right.ts', "import { Registry } from 'prom-client';\nexport const x = Registry;\n"],
  ['src/http/right.ts', "import { Hono } from 'hono';\nexport const x = Hono;\n"],
  ['src/http/right.ts', "import { Directory } from '../reading/directory.ts';\nexport const x = Directory;\n"],
  ['src/store/right.ts', 'export const x = new SharedArrayBuffer(4);\n'],
])('%s with %j is fine', (file, code) => {
  const { refused, output } = lint(file, code);
  expect(refused, output).toBe(false);
});

/** Of two files, one that needs the other. */
const ONE = "import type { Other } from './live/other.ts';\nexport type One = Other;\nexport const one = 1;\n";

test.each([
  ['by a type', "import type { One } from '../one.ts';\nexport type Other = One | undefined;\n"],
  ['by a value', "import { one } from '../one.ts';\nexport type Other = typeof one;\n"],
  ['by an export', "export { one } from '../one.ts';\nexport type Other = number;\n"],
  ['by an import that waits', "export type Other = number;\nexport const other = () => import('../one.ts');\n"],
  ['by a third file', "import type { Third } from './third.ts';\nexport type Other = Third | undefined;\n"],
])('a circle of files is refused: %s', (_, other) => {
  lint('src/http/live/third.ts', "import type { One } from '../one.ts';\nexport type Third = One;\n");
  lint('src/http/live/other.ts', other);
  const { refused, output } = lint('src/http/one.ts', ONE);
  expect(refused, output).toBe(true);
  expect(output).toContain('noImportCycles');
});

test('files that need each other one way alone are fine', () => {
  lint('src/http/live/other.ts', 'export type Other = number;\n');
  const { refused, output } = lint('src/http/one.ts', ONE);
  expect(refused, output).toBe(false);
});

/** Folders of http/, each of which may import from those before it. */
const HTTP_FOLDERS = [
  'bodies',
  'heartbeats',
  'query',
  'answers',
  'history',
  'metrics',
  'sockets',
  'access',
  'api',
  'docs',
  'live',
  'mcp',
  'routes',
];

/** @param files of http/, each with its path there @returns imports of one folder from another that may not be */
function upwardIn(files: Iterable<readonly [path: string, code: string]>): string[] {
  const found: string[] = [];
  for (const [path, code] of files) {
    for (const [, specifier = ''] of code.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const [from, to] = [path, join(dirname(path), specifier)].map((file) => HTTP_FOLDERS.indexOf(dirname(file)));
      if (from !== -1 && Number(to) > Number(from)) found.push(`${path} imports ${specifier}`);
    }
  }
  return found;
}

test('folders of http import from those before them alone', () => {
  const root = join(ROOT, 'src/http');
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).sort()).toEqual([...HTTP_FOLDERS].sort());
  const paths = HTTP_FOLDERS.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
  expect(paths.length).toBeGreaterThan(80);
  expect(upwardIn(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))).toEqual([]);
  expect(
    upwardIn([
      ['query/a.ts', "import type { A } from '../live/a.ts';\nimport { B } from '../bodies/b.ts';"],
      ['live/b.ts', "import { X } from '../context.ts';\nexport { X } from '../routes/x.ts';"],
    ]),
  ).toEqual(['query/a.ts imports ../live/a.ts', 'live/b.ts imports ../routes/x.ts']);
});
