/**
 * How the agent shows who it is, and knows the master: read anew for each connection, so that a token or certificate that
 * was replaced needs no restart. The files are small and nothing is sent meanwhile, so they are read at once.
 */
import { readFileSync } from 'node:fs';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { tlsChannel } from '../../lib/grpc-adapter.ts';
import { withoutOpensslInside } from '../../lib/tls-errors.ts';
import { firstCertificate } from '../../lib/tls-files.ts';

/** Plain data: it travels to the agent's thread. */
export interface CredentialSettings {
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

export interface MasterCredentials {
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
export function readMasterCredentials({ tls, token, tokenFile }: CredentialSettings, host: string): MasterCredentials {
  return {
    ...(tls === undefined ? { credentials: credentials.createInsecure(), channelOptions: {} } : tlsAccess(tls, host)),
    token: tokenFile === undefined ? token : readToken(tokenFile),
  };
}

function readToken(path: string): string {
  const setting = `WORKER_TOKEN_FILE=${path}`;
  const text = readFile(setting, path).toString().trim();
  if (!isToken(text)) throw new PulselaneError('bad_setting', `${setting}: expected one token, and nothing else`);
  return text;
}

function tlsAccess({ ca, cert, key, verify }: TlsSettings, host: string): Omit<MasterCredentials, 'token'> {
  const [caPem, certPem, keyPem] = [
    ca === undefined ? undefined : readFile(`MASTER_TLS_CA=${ca}`, ca).toString(),
    cert === undefined ? undefined : readFile(`MASTER_TLS_CERT=${cert}`, cert).toString(),
    key === undefined ? undefined : readFile(`MASTER_TLS_KEY=${key}`, key).toString(),
  ];
  if (caPem !== undefined) firstCertificate(`MASTER_TLS_CA=${ca}`, caPem);
  if (certPem !== undefined) firstCertificate(`MASTER_TLS_CERT=${cert}`, certPem);
  try {
    return tlsChannel({ ca: caPem, cert: certPem, key: keyPem }, host, verify);
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

function readFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new PulselaneError('bad_setting', `${setting}: cannot be read: ${messageOf(error)}`);
  }
}
