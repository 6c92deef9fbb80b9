/** History in a PostgreSQL database, of version 14 or later: in its schema `pulselane`. */
import { systemClock } from '../../lib/clock.ts';
import type { HistoryWriter } from '../backend.ts';
import type { Backend, OnLoss } from '../database.ts';
import { Connection } from './connection.ts';
import { migrate } from './migrations.ts';
import { openPostgresReader, type PostgresPlace } from './open-reader.ts';
import { PostgresWriter } from './writer.ts';

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

  openReader: openPostgresReader,
};
