/** Commands as a user types them, with `pulselane` as this clone's, and curl and jq replaced where a machine has none. */
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Shell {
  /** Runs a command line in an empty folder; resolves with what it printed, rejects if it fails. */
  run(command: string): Promise<string>;
  close(): void;
}

export function openShell(environment: Record<string, string> = {}): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-shell-'));
  const command = (name: string, script: string, args = '') => {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, script)}" ${args} "$@"\n`);
    chmodSync(file, 0o755);
  };
  if (isMissing('jq')) command('jq', 'test/support/tools/jq.mjs');
  if (isMissing('curl')) command('curl', 'test/support/tools/curl.mjs');
  command('pulselane', 'bin/pulselane.js');
  return {
    async run(line) {
      const { stdout } = await promisify(execFile)('sh', ['-c', line], {
        cwd: folder,
        env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, ...environment },
      });
      return stdout;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function isMissing(tool: string): boolean {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0;
}
