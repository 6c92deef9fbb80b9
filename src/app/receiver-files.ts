/** What the settings of receivers of metrics say in files of their own, and how to authenticate with it. */
import { Expected, type Kind } from '../config/kinds.ts';
import type { MasterConfig } from '../config/options.ts';
import { bearerToken } from '../config/receiver-kinds.ts';
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

/** A token in a file of its own. @throws PulselaneError `bad_setting`, naming the setting, without the token */
export async function tokenIn(
  config: MasterConfig,
  variable: string,
  path: string | undefined,
): Promise<string | undefined> {
  const token = await secretIn(config, variable, path);
  return token === undefined ? undefined : parsedFile(bearerToken, settingText(config.names, variable, path), token);
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

/** @param text what the file of a setting contains. @throws PulselaneError `bad_setting`, naming the setting */
export function parsedFile<T>(kind: Kind<T>, setting: string, text: string): T {
  try {
    return kind.parse(text);
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    throw new PulselaneError('bad_setting', `${setting}: expected the file to contain ${error.message}`);
  }
}
