/** What the settings of receivers of metrics say in files of their own, and how to authenticate with it. */
import { Expected, type Kind } from '../config/kinds.ts';
import type { MasterConfig } from '../config/options.ts';
import { settingText } from '../config/setting-names.ts';
import { PulselaneError } from '../lib/errors.ts';
import { readSettingFile } from '../lib/setting-file.ts';
import { firstCertificate } from '../lib/tls-files.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly token: string | undefined;
}

export function authorizationOf({ user, password, token }: Credentials): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (user === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** A secret in a file of its own: one line. @throws PulselaneError `bad_setting`, naming the setting */
export async function secretIn(
  { names }: MasterConfig,
  variable: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const setting = settingText(names, variable, path);
  const text = (await readSettingFile(setting, path)).trim();
  if (text === '' || /[\r\n\0]/.test(text)) {
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain one line`);
  }
  return text;
}

export async function certificatesIn(
  { names }: MasterConfig,
  variable: string,
  path: string | undefined,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const setting = settingText(names, variable, path);
  const pem = await readSettingFile(setting, path);
  firstCertificate(setting, pem);
  return pem;
}

/** @param kind how headers are written there. @throws PulselaneError `bad_setting`, naming the setting */
export function parsedHeaders(
  kind: Kind<Readonly<Record<string, string>>>,
  setting: string,
  text: string,
): Readonly<Record<string, string>> {
  try {
    return kind.parse(text);
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain ${error.message}`);
  }
}
