/** Rules about the settings of remote write. */
import type { MasterConfig } from './options.ts';
import { atMostOne, hasAuthorization, uselessWithout } from './receiver-rules.ts';
import type { Rule } from './rule.ts';
import { secretText } from './setting-names.ts';

export const remoteWriteRules: readonly Rule<MasterConfig>[] = [
  ...uselessWithout(
    ['remoteWriteUrl', 'REMOTE_WRITE_URL'],
    [
      ['remoteWriteUser', 'REMOTE_WRITE_USER'],
      ['remoteWritePassword', 'REMOTE_WRITE_PASSWORD'],
      ['remoteWritePasswordFile', 'REMOTE_WRITE_PASSWORD_FILE'],
      ['remoteWriteToken', 'REMOTE_WRITE_TOKEN'],
      ['remoteWriteTokenFile', 'REMOTE_WRITE_TOKEN_FILE'],
      ['remoteWriteHeaders', 'REMOTE_WRITE_HEADERS'],
      ['remoteWriteHeadersFile', 'REMOTE_WRITE_HEADERS_FILE'],
      ['remoteWriteTlsCa', 'REMOTE_WRITE_TLS_CA'],
    ],
  ),
  atMostOne(
    ['remoteWritePassword', 'REMOTE_WRITE_PASSWORD'],
    ['remoteWritePasswordFile', 'REMOTE_WRITE_PASSWORD_FILE'],
  ),
  atMostOne(['remoteWriteToken', 'REMOTE_WRITE_TOKEN'], ['remoteWriteTokenFile', 'REMOTE_WRITE_TOKEN_FILE']),
  atMostOne(['remoteWriteHeaders', 'REMOTE_WRITE_HEADERS'], ['remoteWriteHeadersFile', 'REMOTE_WRITE_HEADERS_FILE']),
  {
    about: ['remoteWriteUser', 'remoteWritePassword', 'remoteWritePasswordFile'],
    problem({ remoteWriteUser, remoteWritePassword, remoteWritePasswordFile }, names) {
      const hasPassword = remoteWritePassword !== undefined || remoteWritePasswordFile !== undefined;
      if (remoteWriteUser !== undefined && !hasPassword) {
        const name = secretText(names, 'REMOTE_WRITE_USER');
        return `${name}: expected REMOTE_WRITE_PASSWORD or REMOTE_WRITE_PASSWORD_FILE to be set too`;
      }
      if (remoteWriteUser === undefined && hasPassword) {
        const variable = remoteWritePassword === undefined ? 'REMOTE_WRITE_PASSWORD_FILE' : 'REMOTE_WRITE_PASSWORD';
        return `${secretText(names, variable)}: expected REMOTE_WRITE_USER to be set too`;
      }
      return undefined;
    },
  },
  {
    about: ['remoteWriteUrl', 'remoteWriteUser', 'remoteWriteToken', 'remoteWriteTokenFile', 'remoteWriteHeaders'],
    problem({ remoteWriteUrl, remoteWriteUser, remoteWriteToken, remoteWriteTokenFile, remoteWriteHeaders }, names) {
      if (remoteWriteUrl === undefined) return undefined;
      const { username, password } = new URL(remoteWriteUrl);
      const ways = [
        username === '' && password === '' ? undefined : `the user in ${secretText(names, 'REMOTE_WRITE_URL')}`,
        remoteWriteUser === undefined ? undefined : secretText(names, 'REMOTE_WRITE_USER'),
        remoteWriteToken === undefined ? undefined : secretText(names, 'REMOTE_WRITE_TOKEN'),
        remoteWriteTokenFile === undefined ? undefined : secretText(names, 'REMOTE_WRITE_TOKEN_FILE'),
        hasAuthorization(remoteWriteHeaders)
          ? `Authorization in ${secretText(names, 'REMOTE_WRITE_HEADERS')}`
          : undefined,
      ].filter((way) => way !== undefined);
      return ways.length < 2 ? undefined : `${ways.join(' and ')}: expected only one way to authenticate`;
    },
  },
];
