/** Apart from open.ts, so that a thread that only reads loads no writer. */
import type { DatabasePlace } from '../database.ts';
import { Connection } from './connection.ts';
import { versionOf } from './migrations.ts';
import { PostgresReader } from './reader.ts';

export type PostgresPlace = Extract<DatabasePlace, { kind: 'postgres' }>;

/** Connects with the first call. */
export async function openPostgresReader({ url }: PostgresPlace): Promise<PostgresReader> {
  return new PostgresReader(new Connection(url, async (connection) => void (await versionOf(connection))));
}
