/** Connections by TLS, as the URL asks for them. */
import { chmodSync, chownSync, copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgres } from '../../../src/history/postgres/open.ts';
import { CertificateAuthority, LOCAL_NAMES } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWithPostgres } from '../../support/postgres.ts';
import type { PostgresServer } from '../../support/postgres-server.ts';

/** Gives the server a certificate; its files must be its own. */
async function giveCertificate(server: PostgresServer, authority: CertificateAuthority): Promise<void> {
  const { cert, key } = await authority.issue(LOCAL_NAMES);
  for (const [from, to] of [
    [cert, 'cert.pem'],
    [key, 'key.pem'],
  ] as const) {
    const path = join(server.folder, to);
    copyFileSync(from, path);
    chmodSync(path, 0o600);
    chownSync(path, statSync(server.folder).uid, statSync(server.folder).gid);
  }
  for (const [name, file] of [
    ['ssl_cert_file', 'cert.pem'],
    ['ssl_key_file', 'key.pem'],
  ]) {
    await server.sql('postgres', `ALTER SYSTEM SET ${name} = '${server.folder}/${file}'`);
  }
  await server.sql('postgres', 'ALTER SYSTEM SET ssl = on');
  await server.sql('postgres', 'SELECT pg_reload_conf()');
  await eventually(async () => (await server.sql('postgres', 'SHOW ssl'))[0]?.ssl === 'on');
}

describeWithPostgres(18)('TLS to PostgreSQL', (server) => {
  let authority: CertificateAuthority;
  let url: string;
  beforeAll(async () => {
    authority = await CertificateAuthority.create();
    await giveCertificate(server(), authority);
    url = await server().createDatabase();
  });
  afterAll(() => authority.remove());

  const open = async (query: string) => {
    const writer = await postgres.openWriter({ kind: 'postgres', url: `${url}?${query}` }, () => undefined);
    const rows = await server().sql(
      url,
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pulselane'`,
    );
    await writer.close();
    return rows[0]?.ssl;
  };

  test.each([
    ['sslmode=disable', false],
    ['sslmode=no-verify', true],
    ['sslmode=verify-full&sslrootcert=CA', true],
    ['sslmode=require&sslrootcert=CA', true],
    ['uselibpqcompat=true&sslmode=require', true],
  ])('%s connects, by TLS: %s', async (query, isEncrypted) => {
    expect(await open(query.replace('CA', authority.path))).toBe(isEncrypted);
  });

  test.each(['sslmode=verify-full', 'sslmode=require'])(
    '%s refuses a server whose certificate no known authority signed, and warns of nothing',
    async (query) => {
      const warnings: Error[] = [];
      const onWarning = (warning: Error) => warnings.push(warning);
      process.on('warning', onWarning);
      await expect(open(query)).rejects.toMatchObject({
        kind: 'refused',
        message: expect.stringMatching(/certificate/),
      });
      await new Promise(setImmediate);
      process.off('warning', onWarning);
      expect(warnings).toEqual([]);
    },
  );
});
