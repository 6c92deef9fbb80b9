/** Makes the paths in settings absolute, so that they stay valid when the working directory changes. */
import { resolve } from 'node:path';
import { type MasterConfig, masterOptions } from './options.ts';

/** Matches the `--help` placeholder of settings that are paths. */
const NAMES_PATH = /^<(?:file|folder)\b/;
/** PROCESSOR may be a URL. */
const IS_URL = /^[a-z]+:\/\//;

export function withAbsolutePaths(config: MasterConfig): MasterConfig {
  const paths = Object.entries(masterOptions).flatMap(([key, { argument }]) => {
    const path = config[key as keyof MasterConfig];
    const isPath = NAMES_PATH.test(argument) && typeof path === 'string' && !IS_URL.test(path);
    return isPath ? [[key, resolve(path)] as const] : [];
  });
  return { ...config, ...Object.fromEntries(paths) };
}
