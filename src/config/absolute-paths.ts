/** Settings that name files, made to mean the same files for as long as the program runs, wherever it is by then. */
import { resolve } from 'node:path';
import type { MasterConfig } from './options.ts';

const FILES = [
  'tlsCert',
  'tlsKey',
  'tlsClientCa',
  'workerTokensFile',
  'apiTokensFile',
] as const satisfies readonly (keyof MasterConfig)[];

export function withAbsolutePaths(config: MasterConfig): MasterConfig {
  const files = FILES.flatMap((name) => {
    const path = config[name];
    return path === undefined ? [] : [[name, resolve(path)] as const];
  });
  return { ...config, dataDir: resolve(config.dataDir), ...Object.fromEntries(files) };
}
