/**
 * How the agent shows who it is, and knows the master: read anew for each connection, so that a token or certificate that
 * was replaced needs no restart. The files are small and nothing is sent meanwhile, so they are read at once.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { withoutOpensslInside } from '../../lib/tls-errors.ts';
import { firstCertificate } from '../../lib/tls-files.ts';

/** Plain data: it travels to the agent's thread. */
export interface AccessSettings {
  /** Undefined: nothing is encrypted. */
  readonly tls: TlsSettings | undefined;
  readonly token: string | undefined;
  /** Path of a file that holds nothing else. */
  readonly tokenFile: string | undefined;
}

/** Paths of PEM files. */
export interface TlsSettings {
  /** Authorities of the master's certificate; undefined: those that Node comes with. */
  readonly ca: string | undefined;
  /** By which the master knows this worker; both or none. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Whether the master's certificate is looked at. */
  readonly verify: boolean;
}

type VerifyOptions = NonNullable<Parameters<typeof credentials.createSsl>[3]>;

export interface Access {
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
  readonly token: string | undefined;
}

/** What can stand in a header, without spaces. */
const TOKEN = /^[\x21-\x7e]{1,512}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * @param host of the master, whose certificate has to name it
 * @throws PulselaneError `bad_setting`, naming the setting and the path; never what is in the file
 */
export function readAccess({ tls, token, tokenFile }: AccessSettings, host: string): Access {
  return {
    credentials: tls === undefined ? credentials.createInsecure() : tlsCredentials(tls, host),
    channelOptions: tls !== undefined && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': NO_NAME } : {},
    token: tokenFile === undefined ? token : readToken(tokenFile),
  };
}

function readToken(path: string): string {
  const setting = `WORKER_TOKEN_FILE=${path}`;
  const text = readFile(setting, path).toString().trim();
  if (!isToken(text)) throw new PulselaneError('bad_setting', `${setting}: expected one token, and nothing else`);
  return text;
}

/**
 * grpc-js sends the host that it calls as the name of the server (SNI), which Node refuses for an IP address, as
 * RFC 6066 does. It is told this name instead, which nobody has, and the certificate is still held against the address.
 */
const NO_NAME = 'master.invalid';

function tlsCredentials({ ca, cert, key, verify }: TlsSettings, host: string): ChannelCredentials {
  const [caPem, certPem, keyPem] = [
    ca === undefined ? null : readFile(`MASTER_TLS_CA=${ca}`, ca),
    cert === undefined ? null : readFile(`MASTER_TLS_CERT=${cert}`, cert),
    key === undefined ? null : readFile(`MASTER_TLS_KEY=${key}`, key),
  ];
  if (caPem !== null) firstCertificate(`MASTER_TLS_CA=${ca}`, caPem.toString());
  if (certPem !== null) firstCertificate(`MASTER_TLS_CERT=${cert}`, certPem.toString());
  try {
    return credentials.createSsl(caPem, keyPem, certPem, verify ? verifying(host) : ACCEPT_ANY);
  } catch (error) {
    const files = Object.entries({ MASTER_TLS_CA: ca, MASTER_TLS_CERT: cert, MASTER_TLS_KEY: key })
      .filter(([, path]) => path !== undefined)
      .map(([name, path]) => `${name}=${path}`);
    throw new PulselaneError(
      'bad_setting',
      `${files.join(', ')}: cannot be used for TLS: ${withoutOpensslInside(messageOf(error))}`,
    );
  }
}

function verifying(host: string): VerifyOptions {
  return isIP(host) === 0
    ? {}
    : { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) };
}

const ACCEPT_ANY: VerifyOptions = { rejectUnauthorized: false, checkServerIdentity: () => undefined };

function readFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new PulselaneError('bad_setting', `${setting}: cannot be read: ${messageOf(error)}`);
  }
}
