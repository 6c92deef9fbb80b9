/** This program's version, from the package it came in: the same two steps up from `src/lib` and from `dist/lib`. */
import { readFileSync } from 'node:fs';

/** Put in by the bundler. */
declare const BUNDLED_VERSION: string | undefined;

export const VERSION: string = typeof BUNDLED_VERSION === 'string' ? BUNDLED_VERSION : versionOfPackage();

function versionOfPackage(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}
