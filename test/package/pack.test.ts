import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packTarball } from '../../scripts/package/tarball.ts';
import { blockOf, DOCS } from '../support/doc-pages.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
let project: string;
let tarball: string;

/** What a user's project runs on: this very Node, with nothing of the clone in the way. */
const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
const npm = (args: readonly string[], cwd: string) =>
  run('npm', [...args, '--loglevel=error', '--prefer-offline', '--no-audit', '--no-fund'], { cwd, env: environment });
const node = (args: readonly string[]) => run(process.execPath, [...args], { cwd: project, env: environment });

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'pulselane-user-'));
  const scratch = join(project, 'scratch');
  await mkdir(scratch);
  tarball = packTarball(project, scratch).file;
  await writeFile(join(project, 'package.json'), '{"name":"user","private":true,"type":"module"}');
  await npm(['install', '--ignore-scripts', tarball], project);
}, 180_000);
afterAll(() => rm(project, { recursive: true, force: true }));

const example = (mark: string) => blockOf(mark, 'js');

test('the package holds what runs, and nothing of the workshop', async () => {
  const files = await readdir(join(project, 'node_modules/pulselane'));
  expect(files.sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'THIRD-PARTY-NOTICES',
    'bin',
    'deploy',
    'dist',
    'docs',
    'examples',
    'package.json',
    'proto',
  ]);
  const installed = await readdir(join(project, 'node_modules'));
  expect(installed.filter((name) => /^(node-|typescript|vitest|esbuild)/.test(name))).toEqual([]);
});

test('the embedding example runs in a project of the user’s own, its lanes found', async () => {
  await writeFile(join(project, 'engine.mjs'), example('test:embed'));
  const { stdout, stderr } = await node(['engine.mjs']);
  expect(stderr).toBe('');
  expect(stdout).toContain('worker-1: CPU 42 %, active: true');
  expect(stdout).toContain('queue_length: 3');
});

test('the history example runs there, too, and its threads are found', async () => {
  await writeFile(join(project, 'history.mjs'), example('test:embed-history'));
  const { stdout, stderr } = await node(['history.mjs']);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/last: 42,[\s\S]*last: 3,[\s\S]*to: 'active'/);
});

test('the agent example reports to a master, and ends by itself', async () => {
  const master = new PulselaneProcess(['master'], { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off' });
  try {
    const port = await portOf(master, 'grpc');
    const code = example('test:agent').replace('50051', String(port)).replace('60_000', '2_000');
    await writeFile(join(project, 'report.mjs'), code);
    await node(['report.mjs']);
    await master.logged(({ worker, msg }) => worker === 'render-7' && /active/.test(msg));
  } finally {
    await master.close();
  }
});

test('the page names the files that its examples are saved in', () => {
  const page = DOCS.find(({ path }) => path === 'docs/embedding.md')?.text;
  for (const file of ['report.mjs', 'engine.mjs', 'history.mjs'])
    expect(page).toContain(`\`${file}\` and run \`node ${file}\``);
});

test('the examples pass the type check of a strict project', async () => {
  await writeFile(join(project, 'embed.ts'), example('test:embed'));
  await writeFile(join(project, 'agent.ts'), example('test:agent'));
  await writeFile(join(project, 'history.ts'), example('test:embed-history'));
  const options = { module: 'nodenext', target: 'es2024', strict: true, noEmit: true, skipLibCheck: true };
  const compilerOptions = { ...options, types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] };
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['embed.ts', 'agent.ts', 'history.ts'] }),
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = await node([tsc, '-p', project]).catch((error) => ({ stdout: error.stdout as string }));
  expect(stdout).toBe('');
});

test('it cannot be published by mistake, and brings no development tools', async () => {
  const manifest = JSON.parse(await readFile(join(project, 'node_modules/pulselane/package.json'), 'utf8'));
  expect(manifest).toMatchObject({ name: 'pulselane', private: true, license: 'Apache-2.0' });
  expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining(['scripts']));
  expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining(['devDependencies']));
});

test('installed globally, in an empty prefix, its command runs', async () => {
  const prefix = join(project, 'prefix');
  await npm(['install', '--global', '--ignore-scripts', '--prefix', prefix, tarball], project);
  const { stdout } = await run(join(prefix, 'bin/pulselane'), ['--help'], { env: environment });
  expect(stdout).toContain('Usage: pulselane');
});
