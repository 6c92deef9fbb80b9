/**
 * The npm tarball, for `npm install --global ./pulselane-VERSION.tgz`. npm fetches its dependencies at the install, so that
 * users get fixes of dependencies; the scripts of threads contain theirs.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { noticesText } from './notices.ts';
import { NODE, type Packed, packagesOfThreads, ROOT } from './parts.ts';

interface Manifest {
  readonly files: readonly string[];
  readonly [field: string]: unknown;
}

/** Fields of package.json that only development needs. */
const WORKSHOP = ['devDependencies', 'scripts', 'allowScripts'];

/** @param scratch a folder that exists, to pack in */
export function packTarball(folder: string, scratch: string): Packed {
  const staged = join(scratch, 'tarball');
  mkdirSync(staged);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  for (const name of manifest.files.filter((pattern) => !pattern.startsWith('!'))) {
    cpSync(join(ROOT, name), join(staged, name), { recursive: true, preserveTimestamps: true });
  }
  const kept = Object.fromEntries(Object.entries(manifest).filter(([field]) => !WORKSHOP.includes(field)));
  const files = [...manifest.files, 'THIRD-PARTY-NOTICES'];
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify({ ...kept, files }, undefined, 2)}\n`);
  const notices = noticesText('This package (dist/, the scripts of threads)', ROOT, packagesOfThreads());
  writeFileSync(join(staged, 'THIRD-PARTY-NOTICES'), notices);
  const args = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder, '--json'];
  const environment = { ...process.env, PATH: `${dirname(NODE)}${delimiter}${process.env.PATH}` };
  const packed = JSON.parse(execFileSync('npm', args, { cwd: staged, encoding: 'utf8', env: environment }));
  const [{ filename }] = (Array.isArray(packed) ? packed : Object.values(packed)) as [{ filename: string }];
  return { file: join(folder, filename), purpose: 'a machine that has Node and npm: npm install -g' };
}
