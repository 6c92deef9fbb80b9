/** A place for an SQLite database that is removed after the test, and what tests do to its file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import type { Batch, HistoryReader, HistoryWriter } from '../../../src/history/backend.ts';
import { sqlite } from '../../../src/history/sqlite/open.ts';
import { batchOf, START_MS } from '../history-data.ts';

export class SqliteScene {
  readonly folder = mkdtempSync(join(tmpdir(), 'pulselane-history-'));
  readonly path = join(this.folder, 'history.db');
  readonly place = { kind: 'sqlite', path: this.path } as const;
  readonly losses: string[] = [];
  #batch = 0;
  #bootId = '';

  constructor() {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  async writer(): Promise<HistoryWriter> {
    const writer = await sqlite.openWriter(this.place, (loss) => this.losses.push(loss));
    onTestFinished(() => writer.close());
    return writer;
  }

  async begun(bootId = 'b1'): Promise<HistoryWriter> {
    const writer = await this.writer();
    this.#batch = (await writer.begin({ bootId, startedMs: START_MS })).lastBatch;
    this.#bootId = bootId;
    return writer;
  }

  write(writer: HistoryWriter, content: Partial<Batch>): Promise<void> {
    return writer.write(batchOf(this.#bootId, ++this.#batch, content));
  }

  async reader(): Promise<HistoryReader> {
    const reader = await sqlite.openReader(this.place, (loss) => this.losses.push(loss));
    onTestFinished(() => reader.close());
    return reader;
  }

  /** On a connection of its own. */
  sql(text: string): Record<string, unknown>[] {
    const db = new DatabaseSync(this.path);
    try {
      return db.prepare(text).all();
    } finally {
      db.close();
    }
  }

  /** Inverts a byte in the middle of a blob of each row. */
  damage(table: string, column: string, where = 'true'): void {
    const db = new DatabaseSync(this.path);
    db.function('inverted', (blob: unknown) => {
      const damaged = Uint8Array.from(blob as Uint8Array);
      const middle = damaged.length >> 1;
      damaged[middle] = (damaged[middle] as number) ^ 0xff;
      return damaged;
    });
    db.exec(`UPDATE ${table} SET ${column} = inverted(${column}) WHERE ${where}`);
    db.close();
  }
}
