/** The token that the client commands show a master, from the settings. It is in no message. */
import { readFileSync } from 'node:fs';
import type { ClientConfig } from '../../config/options.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';

/**
 * The file wins over PULSELANE_TOKEN, so that a flag does.
 * @param fileSetting how whoever set the file calls that setting
 * @throws PulselaneError `bad_setting`, naming the setting
 */
export function clientToken(
  { token, tokenFile }: Pick<ClientConfig, 'token' | 'tokenFile'>,
  fileSetting: string,
): string | undefined {
  if (tokenFile !== undefined) {
    const setting = `${fileSetting}=${tokenFile}`;
    return checked(textOf(tokenFile, setting), setting);
  }
  return token === undefined ? undefined : checked(token, 'PULSELANE_TOKEN');
}

function textOf(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PulselaneError('bad_setting', `${setting}: cannot be read: ${messageOf(error)}`);
  }
}

function checked(text: string, setting: string): string {
  const token = text.trim();
  // Anything else does not go into a header, and would be shown by the error that says so.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new PulselaneError('bad_setting', `${setting}: expected a token, on one line and without spaces`);
  }
  return token;
}
