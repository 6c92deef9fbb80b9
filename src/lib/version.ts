/** This program's version, from the package it came in: the same two steps up from `src/lib` and from `dist/lib`. */
import { readFileSync } from 'node:fs';

export const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
