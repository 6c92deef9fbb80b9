import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import { masterOptions } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';

test.each(['lock', 'members.jsonl', 'values.jsonl'])(
  'a folder in the place of %s is told with setting and file',
  async (name) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'pulselane-data-'));
    try {
      await mkdir(join(dataDir, name));
      const flags = { dataDir, grpcAddress: '127.0.0.1:0', httpAddress: 'off' };
      const config = resolveOptions(masterOptions, { flags, environment: {}, dotenv: {} });
      const starting = startMaster(config, { logger: silentLogger, clock: systemClock });
      await expect(starting).rejects.toThrow(new RegExp(`^DATA_DIR=${dataDir}: .*EISDIR.*`));
      await expect(starting).rejects.toThrow(join(dataDir, name));
    } finally {
      await rm(dataDir, { recursive: true });
    }
  },
);
