import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { backendSuite } from '../backend-suite.ts';

backendSuite('SQLite', sqlite, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-history-'));
  const path = join(folder, 'history.db');
  return {
    place: { kind: 'sqlite', path },
    makeNewer: async () => {
      const db = new DatabaseSync(path);
      db.exec('PRAGMA user_version = 1000');
      db.close();
    },
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  };
});
