/** Problems with the folders of GPU_TOOL_PATH, logged at the start: otherwise tools in them would be missed without a hint. */
import { stat } from 'node:fs/promises';
import { delimiter, isAbsolute } from 'node:path';
import { printable } from '../../../lib/printable.ts';

/** One line per entry that is not a folder; empty entries are ignored, as in PATH. Never rejects. */
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
