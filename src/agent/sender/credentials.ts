/**
 * How the agent shows who it is, and knows the master: read anew for each connection, so that a token or certificate that
 * was replaced needs no restart. The files are small and nothing is sent meanwhile, so they are read at once.
 */
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { type SettingNames, settingText } from '../../config/setting-names.ts';
import { allOrProblemsSync, messageOf, PulselaneError } from '../../lib/errors.ts';
import { tlsChannel } from '../../lib/grpc-adapter.ts';
import { readSettingFileSync } from '../../lib/setting-file.ts';
import { withoutOpensslInside } from '../../lib/tls-errors.ts';
import { firstCertificate } from '../../lib/tls-files.ts';

/** Plain data: it travels to the agent's thread. */
export interface CredentialSettings {
  /** Undefined: nothing is encrypted. */
  readonly tls: TlsSettings | undefined;
  readonly token: string | undefined;
  /** Path of a file that holds nothing else. */
  readonly tokenFile: string | undefined;
  /** How errors name the files. */
  readonly names?: SettingNames | undefined;
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
export function readMasterCredentials(settings: CredentialSettings, host: string): MasterCredentials {
  const { tls, token, tokenFile, names } = settings;
  return {
    ...(tls === undefined
      ? { credentials: credentials.createInsecure(), channelOptions: {} }
      : tlsAccess(tls, host, names)),
    token: tokenFile === undefined ? token : readToken(tokenFile, names),
  };
}

function readToken(path: string, names: SettingNames | undefined): string {
  const setting = settingText(names, 'WORKER_TOKEN_FILE', path);
  const text = readSettingFileSync(setting, path).trim();
  if (!isToken(text)) throw new PulselaneError('bad_setting', `${setting}: expected one token, and nothing else`);
  return text;
}

function tlsAccess(
  { ca, cert, key, verify }: TlsSettings,
  host: string,
  names: SettingNames | undefined,
): Omit<MasterCredentials, 'token'> {
  const file = (variable: string, path: string | undefined) => {
    if (path === undefined) return undefined;
    const setting = settingText(names, variable, path);
    return { setting, pem: readSettingFileSync(setting, path) };
  };
  const [caFile, certFile, keyFile] = allOrProblemsSync([
    () => file('MASTER_TLS_CA', ca),
    () => file('MASTER_TLS_CERT', cert),
    () => file('MASTER_TLS_KEY', key),
  ]);
  for (const each of [caFile, certFile]) if (each !== undefined) firstCertificate(each.setting, each.pem);
  try {
    return tlsChannel({ ca: caFile?.pem, cert: certFile?.pem, key: keyFile?.pem }, host, verify);
  } catch (error) {
    const settings = [caFile, certFile, keyFile].flatMap((each) => each?.setting ?? []);
    throw new PulselaneError(
      'bad_setting',
      `${settings.join(', ')}: cannot be used for TLS: ${withoutOpensslInside(messageOf(error))}`,
    );
  }
}
