/** Settings that name files, made to mean the same files for as long as the program runs, wherever it is by then. */
import { resolve } from 'node:path';
import { type MasterConfig, masterOptions } from './options.ts';

/** What stands in `--help` for the value of a setting that names one. */
const NAMES_PATH = /^<(?:file|folder)\b/;
/** A processor may be named by one. */
const IS_URL = /^[a-z]+:\/\//;

export function withAbsolutePaths(config: MasterConfig): MasterConfig {
  const paths = Object.entries(masterOptions).flatMap(([key, { argument }]) => {
    const path = config[key as keyof MasterConfig];
    const isPath = NAMES_PATH.test(argument) && typeof path === 'string' && !IS_URL.test(path);
    return isPath ? [[key, resolve(path)] as const] : [];
  });
  return { ...config, ...Object.fromEntries(paths) };
}
