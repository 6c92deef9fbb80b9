import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DATA_VERSION, upgradeDataDirectory } from '../../src/app/data-version.ts';
import { startMaster } from '../../src/app/master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { keptLog } from '../support/kept-log.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/data-0.1.0', import.meta.url));
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-data-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const start = () => {
  const environment = { ALERTS: 'off', DATA_DIR: dataDir, HTTP_PORT: 'off', GRPC_PORT: '127.0.0.1:0' };
  return startMaster(masterConfig({ flags: {}, environment, dotenv: {} }), {
    logger: silentLogger,
    clock: systemClock,
  });
};

async function contentOf(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  );
}

test('a data directory of 0.1.0 is read and upgraded, with a copy kept; the next start changes nothing', async () => {
  await cp(FIXTURE, dataDir, { recursive: true });
  const first = await start();
  expect([...first.manager.getAllWorkerTelemetry().keys()].sort()).toEqual(['node-b', 'vm']);
  expect(first.manager.getWorkerTelemetry('vm')?.memoryUsage).toBe(3.0012861729039653);
  expect(first.manager.directory.get('node-b')).toMatchObject({
    isolation: 'dedicated',
    facts: { group: 'rack-1', labels: { zone: 'a', disk: 'ssd' } },
  });
  expect(first.manager.members.get('node-c')).toMatchObject({ approved: true });
  await first.stop();
  const copy = join(dataDir, 'before-upgrade-from-1');
  expect(await contentOf(copy)).toEqual(await contentOf(FIXTURE));
  expect(JSON.parse(await readFile(join(dataDir, 'version'), 'utf8'))).toMatchObject({ version: DATA_VERSION });

  await writeFile(join(copy, 'members.jsonl'), 'kept by a person');
  await (await start()).stop();
  expect(await readFile(join(copy, 'members.jsonl'), 'utf8')).toBe('kept by a person');
});

test('the upgrade is logged once, with the place of the copy; a new directory has nothing to copy', async () => {
  const { logger, lines } = keptLog();
  await upgradeDataDirectory(dataDir, logger);
  expect([await readdir(dataDir), lines]).toEqual([['version'], []]);
  await rm(join(dataDir, 'version'));
  await cp(FIXTURE, dataDir, { recursive: true });
  await upgradeDataDirectory(dataDir, logger);
  await upgradeDataDirectory(dataDir, logger);
  expect(lines).toMatchObject([
    { copy: join(dataDir, 'before-upgrade-from-1'), msg: expect.stringContaining('was upgraded from version 1 to 2') },
  ]);
});

test('an upgrade that was cut off is made again', async () => {
  await cp(FIXTURE, dataDir, { recursive: true });
  await cp(FIXTURE, join(dataDir, 'before-upgrade-from-1.new'), { recursive: true });
  await rm(join(dataDir, 'before-upgrade-from-1.new', 'values.jsonl'));
  await upgradeDataDirectory(dataDir, silentLogger);
  expect(await contentOf(join(dataDir, 'before-upgrade-from-1'))).toEqual(await contentOf(FIXTURE));
});

test('a directory of a newer version is refused in one line, and nothing in it is touched', async () => {
  const newer = '{"format":"pulselane-data","version":3,"writtenBy":"9.9.9"}\n';
  await writeFile(join(dataDir, 'version'), newer);
  await expect(start()).rejects.toThrow(
    new RegExp(
      `^DATA_DIR=${dataDir}: it has version 3, written by Pulselane 9\\.9\\.9; this is .*, which reads up to version 2$`,
    ),
  );
  expect(await contentOf(dataDir)).toEqual({ version: newer });
});

test('a damaged file of the version is refused in one line, and nothing is touched', async () => {
  for (const damaged of ['junk', '', '{"format":"pulselane-data","version":"2"}']) {
    await writeFile(join(dataDir, 'version'), damaged);
    await expect(upgradeDataDirectory(dataDir, silentLogger)).rejects.toThrow(
      new RegExp(`^DATA_DIR=${dataDir}: its file 'version' is damaged: expected \\{.*\\}; remove it only if .*$`),
    );
    expect(await contentOf(dataDir)).toEqual({ version: damaged });
  }
});
