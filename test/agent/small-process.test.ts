/** What `pulselane agent` is made of, since its memory and its start depend on it: bench/README.md has the figures. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const HOOK = fileURLToPath(new URL('../support/print-loaded.mjs', import.meta.url));

let folder: string;
let master: FakeMaster;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-agent-'));
  master = await FakeMaster.start();
});
afterEach(() => {
  master.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The command as it was built, once its first heartbeat has come. */
async function reporting(...nodeFlags: string[]) {
  const child = spawn(
    process.execPath,
    [...nodeFlags, join(ROOT, 'bin/pulselane.js'), 'agent', '--master', master.address, '--id', 'w'],
    { cwd: folder, env: {} },
  );
  const streams = { stdout: text(child.stdout), stderr: text(child.stderr) };
  await eventually(() => master.heartbeats.length > 0);
  const end = async () => {
    child.kill();
    expect(await once(child, 'exit')).toEqual([0, null]);
  };
  return { child, end, ...streams };
}

/** Undefined until all of it is written. */
function whole(path: string): { workers: unknown[] } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

test('it runs in one JavaScript thread, and reports no lag of a host program', async () => {
  const { child, end } = await reporting(
    '--report-on-signal',
    '--report-signal=SIGUSR2',
    `--report-directory=${folder}`,
    '--report-filename=report.json',
  );
  child.kill('SIGUSR2');
  const report = await eventually(() => whole(join(folder, 'report.json')));
  expect(report.workers).toEqual([]);
  expect(master.heartbeats[0]?.hostLoopLagMs).toBe(0);
  await end();
});

test('it loads one file beside those that start it', async () => {
  const { end, stderr } = await reporting('--import', HOOK);
  await end();
  const loaded = (await stderr).matchAll(/^loaded (.*)$/gm);
  const files = Array.from(loaded, ([, url = '']) => fileURLToPath(url).replace(ROOT, ''));
  expect(files.filter((file) => !/^(bin|scripts\/bootstrap)\//.test(file))).toEqual(['dist/agent-main.js']);
});

/** What is in the one file that is built of an entry: folders of ours, packages, and all files. */
async function partsOf(entry: string) {
  const { metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['systeminformation', '@grpc/proto-loader'],
    metafile: true,
  });
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
  const folders = new Set(used.flatMap((path) => /^src\/(\w+)\//.exec(path)?.[1] ?? []));
  const packages = new Set(used.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  return { used, folders: [...folders].sort(), packages: [...packages].sort() };
}

test('that file holds nothing that only a master needs', async () => {
  const { used, folders, packages } = await partsOf('src/agent-main.ts');
  expect(folders).toEqual(['agent', 'cli', 'config', 'gen', 'lib', 'model']);
  expect(used.filter((path) => /^src\/cli\/\w+\//.test(path) && !path.startsWith('src/cli/text/'))).toEqual([]);
  const large = ['hono', '@hono/node-server', '@hono/zod-openapi', 'zod', 'ws', 'systeminformation', 'protobufjs'];
  expect(large.filter((name) => packages.includes(name))).toEqual([]);
  expect(packages).toEqual(expect.arrayContaining(['@grpc/grpc-js', '@bufbuild/protobuf', 'pino']));
});

test('what a task is wrapped in holds a command line, and no agent', async () => {
  const { folders, packages } = await partsOf('src/task-main.ts');
  expect(folders).toEqual(['cli', 'config', 'lib', 'model']);
  const large = ['@grpc/grpc-js', '@bufbuild/protobuf', 'hono', 'zod', 'ws', 'systeminformation', 'protobufjs'];
  expect(large.filter((name) => packages.includes(name))).toEqual([]);
});
