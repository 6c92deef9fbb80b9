/**
 * Runs a vendor's tool. Such tools hang when a device has fallen off its bus, fail after half of their output, and are
 * installed in unusual places: printed output is used however the tool ended, and the wait for its end is bounded.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { ToolEnvironment } from '../../../config/tool-environment.ts';
import { ChildGroups, endGroup } from '../../../lib/child-groups.ts';
import { messageOf } from '../../../lib/errors.ts';

/** A device that has fallen off its bus can hang its tool for ever. */
export const TOOL_TIMEOUT_MS = 10_000;
/** A report of 16 devices is some 200 KiB where it is longest (XML). */
const MAX_OUTPUT_BYTES = 4 * 1024 ** 2;

/** Where tools are installed apart from PATH, which is often incomplete in a service or a container. */
const KNOWN_FOLDERS = [
  '/usr/local/bin',
  '/usr/bin',
  '/bin',
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  // WSL.
  '/usr/lib/wsl/lib',
  // NixOS.
  '/run/current-system/sw/bin',
  '/run/opengl-driver/bin',
  // GKE: in containers, and on its nodes.
  '/usr/local/nvidia/bin',
  '/home/kubernetes/bin/nvidia/bin',
  // ROCm and XPU Manager as their own installers lay them out.
  '/opt/rocm/bin',
  '/opt/xpum/bin',
] as const;

export interface ToolSettings {
  /** Folders that come first, in the notation of PATH; empty: none. */
  readonly gpuToolPath: string;
  readonly environment: ToolEnvironment;
}

/** Folders in which tools are searched, in this order: the setting's, those of PATH, the known ones. */
export function toolFolders({ gpuToolPath, environment }: ToolSettings): string[] {
  const folders = [...gpuToolPath.split(delimiter), ...environment.path.split(delimiter), ...KNOWN_FOLDERS];
  // A relative folder of PATH would change its meaning with the working directory.
  return [...new Set(folders.filter((folder) => folder.startsWith('/') || /^[A-Za-z]:/.test(folder)))];
}

/** How a run ended, with the output until then. */
export interface ToolRun {
  readonly stdout: string;
  readonly stderr: string;
  /** Why it did not end well, for people; undefined if it did. */
  readonly failure: string | undefined;
}

/** Finds and runs tools; the only interface that sources use, so that tests can replay recorded output. */
export interface Tools {
  /** The path of the first one that is there. */
  find(name: string): Promise<string | undefined>;
  run(path: string, args: readonly string[]): Promise<ToolRun>;
}

export interface ToolOptions {
  readonly timeoutMs?: number;
  /** Where a tool is noted for as long as it runs, so that it does not outlive the agent. */
  readonly groups?: ChildGroups;
}

export function toolsOf(
  settings: ToolSettings,
  { timeoutMs = TOOL_TIMEOUT_MS, groups = new ChildGroups() }: ToolOptions = {},
): Tools {
  const folders = toolFolders(settings);
  const names = (name: string) => (process.platform === 'win32' ? [`${name}.exe`, name] : [name]);
  return {
    async find(name) {
      for (const folder of folders) {
        for (const file of names(name)) {
          const path = join(folder, file);
          if (await isExecutable(path)) return path;
        }
      }
      return undefined;
    },
    run: (path, args) => {
      const env = environmentOf(path, folders, settings.environment);
      return runTool(path, args, { env, timeoutMs, groups });
    },
  };
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Without the user's locale, so that numbers and words can be parsed. */
function environmentOf(path: string, folders: readonly string[], { libraryPath }: ToolEnvironment) {
  // Drivers that are mounted into a container bring their libraries along in a folder beside their tools.
  const libraries = [libraryPath, join(dirname(dirname(path)), 'lib64')].filter((folder) => folder !== '');
  return { PATH: folders.join(delimiter), LD_LIBRARY_PATH: libraries.join(delimiter), LC_ALL: 'C' };
}

interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly groups: ChildGroups;
}

/**
 * Never rejects, also where the system has no process or file to give. A tool that cannot even be killed, waiting for its
 * device in the kernel, is not waited for.
 */
async function runTool(path: string, args: readonly string[], options: RunOptions): Promise<ToolRun> {
  try {
    // In a group of its own, since many tools are scripts: what they started is ended with them.
    const spawnOptions = { cwd: '/', env: options.env, detached: true } as const;
    return await endOf(spawn(path, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] }), options);
  } catch (error) {
    return { stdout: '', stderr: '', failure: messageOf(error) };
  }
}

function endOf(child: ChildProcess, { timeoutMs, groups }: RunOptions): Promise<ToolRun> {
  const { promise, resolve } = Promise.withResolvers<ToolRun>();
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[], bytes: 0 };
  let timer: NodeJS.Timeout | undefined;
  const end = (failure: string | undefined) => {
    clearTimeout(timer);
    if (child.pid !== undefined) groups.delete(child.pid);
    const [stdout, stderr] = [output.stdout, output.stderr].map((chunks) => Buffer.concat(chunks).toString('utf8'));
    resolve({ stdout: stdout ?? '', stderr: stderr ?? '', failure });
    // Processes that inherited the pipes may keep them open.
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  };
  // First of all: where it could not be started, it has no process id, and without a file to spare no pipes either.
  child.on('error', (error) => end(error.message));
  child.on('close', (code, signal) => end(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`));
  const { pid } = child;
  if (pid === undefined) return promise;

  const kill = (failure: string) => {
    endGroup(pid);
    end(failure);
  };
  groups.add(pid);
  timer = setTimeout(() => kill(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      output.bytes += chunk.length;
      if (output.bytes <= MAX_OUTPUT_BYTES) output[name].push(chunk);
      else kill(`it prints more than ${MAX_OUTPUT_BYTES / 1024 ** 2} MiB`);
    });
    child[name]?.on('error', () => {});
  }
  return promise;
}

/** A tool's own words and how it ended, in one line; undefined if there is nothing to tell. */
export function complaintOf(words: readonly string[], { stderr, failure }: ToolRun): string | undefined {
  const said = [...words, ...(failure === undefined ? [] : stderr.split('\n')), failure ?? ''];
  const parts = said.map((line) => line.trim()).filter((line) => line !== '');
  return parts.length === 0 ? undefined : parts.join('; ');
}
