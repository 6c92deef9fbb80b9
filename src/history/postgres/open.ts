/** History in a PostgreSQL database, of version 14 or later: in its schema `pulselane`. */
import { systemClock } from '../../lib/clock.ts';
import type { HistoryReader, HistoryWriter } from '../backend.ts';
import type { Backend, DatabasePlace, OnLoss } from '../database.ts';
import { Connection } from './connection.ts';
import { migrate, versionOf } from './migrations.ts';
import { PostgresReader } from './reader.ts';
import { PostgresWriter } from './writer.ts';

export type PostgresPlace = Extract<DatabasePlace, { kind: 'postgres' }>;

export const postgres: Backend<PostgresPlace> = {
  async openWriter({ url }: PostgresPlace, onLoss: OnLoss): Promise<HistoryWriter> {
    // With each new connection: the tables may be gone, or those of a newer version, since the last one.
    const connection = new Connection(url, migrate);
    try {
      await connection.exclusively(async () => undefined);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return new PostgresWriter(connection, systemClock, onLoss);
  },

  /** Connects with the first call. */
  async openReader({ url }: PostgresPlace): Promise<HistoryReader> {
    return new PostgresReader(new Connection(url, async (connection) => void (await versionOf(connection))));
  },
};
