import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTlsFiles } from '../../src/lib/tls-files.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';

let authority: CertificateAuthority;
let server: KeyPair;
let other: KeyPair;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  [server, other] = [await authority.server(), await authority.server({ validMs: -1000 })];
});
afterAll(() => authority.remove());

const read = (paths: { cert?: string; key?: string; ca?: string }) =>
  readTlsFiles({ tlsCert: paths.cert, tlsKey: paths.key, tlsClientCa: paths.ca });

test('what fits together is read', async () => {
  await appendFile(server.cert, authority.pem);
  const files = await read({ cert: server.cert, key: server.key, ca: authority.path });
  expect(files).toMatchObject({ cert: server.certPem + authority.pem, key: server.keyPem, clientCa: authority.pem });
  expect(files?.certExpiresUnixMs).toBeGreaterThan(Date.now());
  expect((await read({ cert: other.cert, key: other.key }))?.certExpiresUnixMs).toBeLessThan(Date.now());
  expect(await read({})).toBeUndefined();
});

test('what is wrong is named: setting, path, and what was expected', async () => {
  const file = async (name: string, text: string) => {
    const path = join(authority.folder, name);
    await writeFile(path, text);
    return path;
  };
  const { cert, key } = server;
  const missing = join(authority.folder, 'missing');
  const garbage = await file('garbage', 'not a certificate');
  const cutShort = await file('cut-short', `${authority.pem}${authority.pem.slice(0, 200)}`);
  const damaged = await file('damaged', authority.pem.replace(/[A-Za-z0-9]{30}/, 'A'.repeat(30)));
  await expect(read({ cert: missing, key })).rejects.toThrow(`TLS_CERT=${missing}: cannot be read: no such file`);
  await expect(read({ cert, key: missing })).rejects.toThrow(`TLS_KEY=${missing}: cannot be read: no such file`);
  await expect(read({ cert: garbage, key })).rejects.toThrow(`TLS_CERT=${garbage}: expected one or more whole certif`);
  await expect(read({ cert: cutShort, key })).rejects.toThrow(
    `TLS_CERT=${cutShort}: expected one or more whole certif`,
  );
  await expect(read({ cert: damaged, key })).rejects.toThrow(`TLS_CERT=${damaged}: expected one or more whole certif`);
  await expect(read({ cert, key: garbage })).rejects.toThrow(`TLS_KEY=${garbage}: expected a private key in PEM`);
  await expect(read({ cert, key: other.key })).rejects.toMatchObject({
    code: 'bad_setting',
    message: `TLS_KEY=${other.key}: the key does not match the certificate of TLS_CERT=${cert}`,
  });
  await expect(read({ cert, key, ca: key })).rejects.toThrow(`TLS_CLIENT_CA=${key}: expected one or more whole certif`);
});
