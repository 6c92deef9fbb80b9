import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.ts';

// Real processes and threads on 2 shared cores: generous, since no test asserts on time.
const TIMEOUT_MS = process.env.TEST_LONG === '1' ? 3_600_000 : 60_000;

/** Tests start hundreds of processes and threads: what one of them has compiled, the others need not compile again. */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    pool: 'forks',
    testTimeout: TIMEOUT_MS,
    hookTimeout: TIMEOUT_MS,
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
});
