import { postgres } from '../../../src/history/postgres/open.ts';
import { describeWithPostgres } from '../../support/postgres.ts';
import { IS_LONG_RUN, repetitions } from '../../support/repetitions.ts';
import { backendSuite } from '../backend-suite.ts';

for (const version of IS_LONG_RUN
  ? ([14, 15, 16, 17, 18, 'timescaledb'] as const)
  : ([14, 18, 'timescaledb'] as const)) {
  describeWithPostgres(version)('history', (server) => {
    const makePlace = async () => {
      const url = await server().takeDatabase();
      return {
        place: { kind: 'postgres' as const, url },
        makeNewer: async () => void (await server().sql(url, 'INSERT INTO pulselane.schema_versions VALUES (1000)')),
        remove: () => server().giveBack(url),
      };
    };
    backendSuite('in PostgreSQL', postgres, makePlace, repetitions(5, 200));
  });
}
