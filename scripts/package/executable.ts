/**
 * The single executable: a copy of Node that contains the program, made with Node's own support for it. It needs glibc 2.28,
 * libstdc++ and libatomic, as Node does.
 * https://nodejs.org/api/single-executable-applications.html
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noticesText } from './notices.ts';
import { NODE, NODE_FOLDER, type Packed, ROOT, THREADS, version } from './parts.ts';
import type { Program } from './program-bundle.ts';

/** Why this machine cannot make one; undefined if it can. */
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
      main: program.files[0],
      mainFormat: 'module',
      executable: NODE,
      output: file,
      disableExperimentalSEAWarning: true,
      // SIGUSR1 would open Node's inspector.
      execArgv: ['--disable-sigusr1'],
      // NODE_OPTIONS works as with any Node.
      execArgvExtension: 'env',
      assets: {
        ...Object.fromEntries(THREADS.map((thread) => [thread, join(ROOT, 'dist', thread)])),
        // So that the file alone includes the licences.
        'THIRD-PARTY-NOTICES': notices,
      },
    }),
  );
  // The Node that builds must have the same version as the Node that is copied.
  execFileSync(NODE, ['--build-sea', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  return [
    { file, purpose: 'a machine that has nothing: copy this file alone, and run it' },
    { file: notices, purpose: 'licences of what is in the executable' },
  ];
}
