/**
 * What a commit costs with SQLite's `synchronous` at FULL, which history uses, and at NORMAL:
 * `npm run node -- bench/history/commit-cost.ts [FOLDER]`. The folder decides which disk is measured.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** As one second of 1,000 workers at 5 s. */
const COMMIT_BYTES = 30_000;
const COMMITS = 500;

function timesOf(folder: string, synchronous: string): number[] {
  const db = new DatabaseSync(join(folder, `${synchronous}.db`));
  try {
    db.exec(`PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
      PRAGMA wal_autocheckpoint = 512; CREATE TABLE journal (id INTEGER PRIMARY KEY, samples BLOB)`);
    const insert = db.prepare('INSERT INTO journal (samples) VALUES (randomblob(?))');
    return Array.from({ length: COMMITS }, () => {
      const startedMs = performance.now();
      insert.run(COMMIT_BYTES);
      return performance.now() - startedMs;
    }).sort((a, b) => a - b);
  } finally {
    db.close();
  }
}

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'pulselane-commits-'));
try {
  console.log(`${COMMITS} commits of ${COMMIT_BYTES} bytes, ms`);
  for (const synchronous of ['FULL', 'NORMAL']) {
    const times = timesOf(folder, synchronous);
    const at = (share: number) => (times[Math.floor(share * COMMITS)] as number).toFixed(2);
    console.log(`${synchronous.padEnd(6)}  p50 ${at(0.5)}  p99 ${at(0.99)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
