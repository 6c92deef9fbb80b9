/**
 * The version of a data directory, in its file `version`. A directory of an earlier version is upgraded, after its files were copied;
 * one of a newer version is refused.
 *
 * | version | written by | differs                                                                                       |
 * |---------|------------|-----------------------------------------------------------------------------------------------|
 * | 1       | 0.1.0      | members.jsonl, values.jsonl, session-key; no file `version`                                   |
 * | 2       | 0.2.0      | has history.db, history-spool/, event-ids too; the files of version 1 are as they were        |
 */
import { copyFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { jsonIn } from '../lib/json.ts';
import type { Logger } from '../lib/logging.ts';
import { replaceFile, syncFolder } from '../lib/replace-file.ts';
import { VERSION } from '../lib/version.ts';

export const DATA_VERSION = 2;
const FILE_NAME = 'version';
/** What a directory of version 1 can hold besides its lock. */
const FILES_OF_1 = ['members.jsonl', 'members.json', 'values.jsonl', 'session-key'];

const schema = z.object({ format: z.literal('pulselane-data'), version: z.int().positive(), writtenBy: z.string() });

/**
 * Call it while the directory is locked, before any of its files is used.
 * @throws PulselaneError `environment`, naming DATA_DIR, if its version is newer or unknown, or it cannot be upgraded
 */
export async function upgradeDataDirectory(dataDir: string, logger: Logger): Promise<void> {
  try {
    const found = await versionIn(dataDir);
    if (found?.version === DATA_VERSION) return;
    if (found !== undefined && found.version > DATA_VERSION) {
      throw new Error(
        `it has version ${found.version}, written by Pulselane ${found.writtenBy}; this is ${VERSION}, which reads up to version ${DATA_VERSION}`,
      );
    }
    const copy = await copyOf(dataDir, found?.version ?? 1);
    await replaceFile(join(dataDir, FILE_NAME), [versionText()]);
    if (copy !== undefined) {
      logger.info(
        { copy },
        `the data directory was upgraded from version 1 to ${DATA_VERSION}; its files were copied before`,
      );
    }
  } catch (error) {
    throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${messageOf(error)}`, { cause: error });
  }
}

/** Writes the file again after it was removed. @throws as `replaceFile` does */
export async function keepDataVersion(dataDir: string): Promise<void> {
  await replaceFile(join(dataDir, FILE_NAME), [versionText()]);
}

function versionText(): string {
  return `${JSON.stringify({ format: 'pulselane-data', version: DATA_VERSION, writtenBy: VERSION })}\n`;
}

/** Undefined: there is no such file. A damaged one may be a newer version's. */
async function versionIn(dataDir: string): Promise<z.infer<typeof schema> | undefined> {
  try {
    const { data } = schema.safeParse(jsonIn(await readFile(join(dataDir, FILE_NAME), 'utf8')));
    if (data !== undefined) return data;
    throw new Error(
      `its file '${FILE_NAME}' is damaged: expected ${versionText().trim()}; remove it only if no newer Pulselane has used the directory`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns the folder with the copy; undefined: there is nothing to copy. One that is there is complete, and stays. */
async function copyOf(dataDir: string, version: number): Promise<string | undefined> {
  const names = await readdir(dataDir);
  const files = FILES_OF_1.filter((name) => names.includes(name));
  const folder = join(dataDir, `before-upgrade-from-${version}`);
  if (files.length === 0 || names.includes(`before-upgrade-from-${version}`)) return undefined;
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  for (const name of files) {
    await copyFile(join(dataDir, name), join(unfinished, name));
    await synced(join(unfinished, name));
  }
  await syncFolder(unfinished);
  await rename(unfinished, folder);
  await syncFolder(dataDir);
  return folder;
}

async function synced(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
