/**
 * The single executable: Node with the program in it, by Node's own support for that. It needs
 * nothing beside it but what Node needs of a Linux: glibc 2.28, libstdc++ and libatomic.
 * https://nodejs.org/api/single-executable-applications.html
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noticesText } from './notices.ts';
import { NODE, NODE_FOLDER, type Packed, ROOT, THREADS, version } from './parts.ts';
import type { Program } from './program-bundle.ts';

/** Why none can be made here; undefined if one can. */
export function noExecutableReason(): string | undefined {
  return process.platform === 'linux' ? undefined : `it is made on Linux, and this is ${process.platform}`;
}

export function packExecutable(folder: string, scratch: string, program: Program): Packed[] {
  const name = `pulselane-${version()}-linux-${process.arch}`;
  const file = join(folder, name);
  const notices = join(folder, `${name}.THIRD-PARTY-NOTICES`);
  writeFileSync(notices, noticesText('This executable', ROOT, program.packages, NODE_FOLDER));
  const config = join(scratch, 'executable.json');
  writeFileSync(
    config,
    JSON.stringify({
      main: program.file,
      mainFormat: 'module',
      executable: NODE,
      output: file,
      disableExperimentalSEAWarning: true,
      // SIGUSR1 would open Node's inspector.
      execArgv: ['--disable-sigusr1'],
      // NODE_OPTIONS is heard as by any other Node.
      execArgvExtension: 'env',
      assets: {
        ...Object.fromEntries(THREADS.map((thread) => [thread, join(ROOT, 'dist', thread)])),
        // So that a copy of the file alone still holds the licences of what is in it.
        'THIRD-PARTY-NOTICES': notices,
      },
    }),
  );
  // Run on the very Node that the program is put into: their versions must be the same.
  execFileSync(NODE, ['--build-sea', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  return [
    { file, purpose: 'a machine that has nothing: copy this file alone, and run it' },
    { file: notices, purpose: 'licences of what is in the executable' },
  ];
}
