/** This program's version, from its package.json: two levels up from both `src/lib` and `dist/lib`. */
import { readFileSync } from 'node:fs';

/** Inserted by the bundler. */
declare const BUNDLED_VERSION: string | undefined;

export const VERSION: string = typeof BUNDLED_VERSION === 'string' ? BUNDLED_VERSION : versionOfPackage();

function versionOfPackage(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}
