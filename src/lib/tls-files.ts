/**
 * Reads and checks the PEM files for TLS as a whole before they are used: a key that does not match its certificate
 * would otherwise show as a failed handshake of every client.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { allOrProblems, messageOf, PulselaneError } from './errors.ts';
import { readSettingFile } from './setting-file.ts';
import { withoutOpensslInside } from './tls-errors.ts';

/** Paths of the files; undefined: not set. */
export interface TlsPaths {
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsClientCa: string | undefined;
}

/** Contents of the files, in PEM. */
export interface TlsFiles {
  /** The server's certificate chain. */
  readonly cert: string;
  readonly key: string;
  /** CA certificates for client certificates; undefined: none are requested. */
  readonly clientCa: string | undefined;
  /** Unix milliseconds at which the server's certificate expires. */
  readonly certExpiresUnixMs: number;
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** How the user wrote `TLS_CERT`, `TLS_KEY` or `TLS_CLIENT_CA`, with its path: for errors. */
export type TlsSettingText = (variable: string, path: string) => string;

/**
 * Reports all unreadable files at once.
 * @returns undefined if TLS is not configured
 * @throws PulselaneError `bad_setting`, naming the setting, the path and what was expected there
 */
export async function readTlsFiles(
  { tlsCert, tlsKey, tlsClientCa }: TlsPaths,
  settingText: TlsSettingText = (variable, path) => `${variable}=${path}`,
): Promise<TlsFiles | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const certSetting = settingText('TLS_CERT', tlsCert);
  const keySetting = settingText('TLS_KEY', tlsKey);
  const caSetting = settingText('TLS_CLIENT_CA', tlsClientCa ?? '');
  const [cert, key, clientCa] = await allOrProblems([
    readSettingFile(certSetting, tlsCert),
    readSettingFile(keySetting, tlsKey),
    tlsClientCa === undefined ? undefined : readSettingFile(caSetting, tlsClientCa),
  ]);
  const certificate = firstCertificate(certSetting, cert);
  if (!certificate.checkPrivateKey(privateKey(keySetting, key))) {
    throw new PulselaneError('bad_setting', `${keySetting}: the key does not match the certificate of ${certSetting}`);
  }
  if (clientCa !== undefined) firstCertificate(caSetting, clientCa);
  try {
    // Other problems found by OpenSSL: a key that is too short, an unsupported algorithm.
    createSecureContext({ cert, key, ca: clientCa });
  } catch (error) {
    throw new PulselaneError(
      'bad_setting',
      `${certSetting}: cannot be used for TLS: ${withoutOpensslInside(messageOf(error))}`,
    );
  }
  return { cert, key, clientCa, certExpiresUnixMs: certificate.validToDate.getTime() };
}

/**
 * The first certificate in a file, after checking all of them: a truncated one after a valid one would go unnoticed,
 * and Node silently ignores invalid CA certificates.
 * @throws PulselaneError `bad_setting`, naming the setting and what was expected
 */
export function firstCertificate(setting: string, pem: string): X509Certificate {
  const begun = pem.split('-----BEGIN CERTIFICATE-----').length - 1;
  const blocks = pem.match(CERTIFICATES) ?? [];
  const expected = `${setting}: expected one or more whole certificates in PEM ("-----BEGIN CERTIFICATE-----")`;
  if (blocks.length === 0 || blocks.length !== begun) throw new PulselaneError('bad_setting', expected);
  try {
    return blocks.map((block) => new X509Certificate(block))[0] as X509Certificate;
  } catch (error) {
    throw new PulselaneError('bad_setting', `${expected}: ${withoutOpensslInside(messageOf(error))}`);
  }
}

function privateKey(setting: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The parser's own message is about OpenSSL's internals, and may contain parts of the file.
    throw new PulselaneError('bad_setting', `${setting}: expected a private key in PEM, without a passphrase`);
  }
}
