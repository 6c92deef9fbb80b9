/** The token that the client commands show a master, from the settings. It is in no message. */
import type { ClientConfig } from '../../config/options.ts';
import { settingText } from '../../config/setting-names.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { readSettingFileSync } from '../../lib/setting-file.ts';

/**
 * The file wins over PULSELANE_TOKEN, so that a flag does.
 * @throws PulselaneError `bad_setting`, naming the setting
 */
export function clientToken({
  token,
  tokenFile,
  names,
}: Pick<ClientConfig, 'token' | 'tokenFile' | 'names'>): string | undefined {
  if (tokenFile !== undefined) {
    const setting = settingText(names, 'PULSELANE_TOKEN_FILE', tokenFile);
    return checked(readSettingFileSync(setting, tokenFile), setting);
  }
  return token === undefined ? undefined : checked(token, 'PULSELANE_TOKEN');
}

function checked(text: string, setting: string): string {
  const token = text.trim();
  // Anything else does not go into a header, and would be shown by the error that says so.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new PulselaneError('bad_setting', `${setting}: expected a token, on one line and without spaces`);
  }
  return token;
}
