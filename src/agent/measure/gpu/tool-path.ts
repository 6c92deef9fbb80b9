/** What is wrong with the folders of GPU_TOOL_PATH, told at the start: nothing is found in such a folder, and nothing else says so. */
import { stat } from 'node:fs/promises';
import { delimiter, isAbsolute } from 'node:path';
import { printable } from '../../../lib/printable.ts';

/** One line for each entry that is no folder; empty entries are none, as in PATH. Never rejects. */
export async function toolPathComplaints(gpuToolPath: string): Promise<string[]> {
  const folders = new Set(gpuToolPath.split(delimiter).filter((folder) => folder !== ''));
  const complaints: string[] = [];
  for (const folder of folders) {
    const problem = await problemOf(folder);
    if (problem === undefined) continue;
    const given = printable(JSON.stringify(folder));
    complaints.push(
      `GPU_TOOL_PATH (--gpu-tool-path): ${given} ${problem}; expected absolute paths of folders with tools`,
    );
  }
  return complaints;
}

async function problemOf(folder: string): Promise<string | undefined> {
  if (!isAbsolute(folder)) return 'is a relative path, and is left out';
  try {
    return (await stat(folder)).isDirectory() ? undefined : 'is not a folder';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'is not there' : `cannot be looked into (${code})`;
  }
}
