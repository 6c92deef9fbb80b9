/**
 * Tests that need a real PostgreSQL server. Where none can run (another platform, a folder that `nobody` cannot enter) they are
 * skipped, and one line says so; with CI=true they fail instead, except those that need TimescaleDB.
 */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { obstacleTo, PostgresServer, type PostgresVersion } from './postgres-server.ts';

/**
 * `describe` for tests with a server of this version, which they share:
 * `describeWithPostgres(18)('name', (server) => { test(…, () => server().createDatabase()) })`.
 */
export function describeWithPostgres(
  version: PostgresVersion,
  settings?: Readonly<Record<string, string>>,
): (name: string, tests: (server: () => PostgresServer) => void) => void {
  return (name, tests) => {
    const named = `${name} (${version === 'timescaledb' ? 'TimescaleDB' : `PostgreSQL ${version}`})`;
    const obstacle = obstacleTo(version);
    if (obstacle === undefined) {
      describe(named, () => {
        let server: PostgresServer | undefined;
        beforeAll(async () => {
          server = await PostgresServer.start(version, settings);
        });
        afterAll(() => server?.remove());
        tests(() => server as PostgresServer);
      });
    } else if (process.env.CI === 'true' && version !== 'timescaledb') {
      test(named, () => {
        throw new Error(`PostgreSQL ${version} must run in CI: ${obstacle}`);
      });
    } else {
      console.warn(`Skipped: ${named} (${obstacle})`);
      test.skip(named);
    }
  };
}
