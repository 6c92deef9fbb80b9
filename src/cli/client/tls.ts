/** What the client commands need for TLS, from the settings: files in PEM, read and checked before anybody is asked. */
import { createSecureContext } from 'node:tls';
import type { ClientConfig } from '../../config/options.ts';
import { settingText } from '../../config/setting-names.ts';
import { allOrProblemsSync, messageOf, PulselaneError } from '../../lib/errors.ts';
import { readSettingFileSync } from '../../lib/setting-file.ts';
import { withoutOpensslInside } from '../../lib/tls-errors.ts';

/** In PEM; what is missing was not set. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** @throws PulselaneError `bad_setting`, naming the settings and the paths; never what is in the files */
export function clientTls({
  tlsCa,
  tlsCert,
  tlsKey,
  names,
}: Pick<ClientConfig, 'tlsCa' | 'tlsCert' | 'tlsKey' | 'names'>): ClientTls {
  const files = [
    { part: 'ca', variable: 'PULSELANE_TLS_CA', path: tlsCa },
    { part: 'cert', variable: 'PULSELANE_TLS_CERT', path: tlsCert },
    { part: 'key', variable: 'PULSELANE_TLS_KEY', path: tlsKey },
  ].flatMap(({ part, variable, path }) =>
    path === undefined ? [] : [{ part, path, setting: settingText(names, variable, path) }],
  );
  const tls: ClientTls = Object.fromEntries(
    allOrProblemsSync(
      files.map(({ part, path, setting }) => () => [part, readSettingFileSync(setting, path)]),
    ),
  );
  const settings = files.map(({ setting }) => setting).join(', ');
  // A file without any certificate would be passed over, and show as an authority that nobody knows.
  if (tls.ca !== undefined && !tls.ca.includes('-----BEGIN CERTIFICATE-----')) {
    const ca = settingText(names, 'PULSELANE_TLS_CA', tlsCa);
    throw new PulselaneError('bad_setting', `${ca}: expected certificates in PEM`);
  }
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new PulselaneError(
      'bad_setting',
      `${settings}: cannot be used for TLS: ${withoutOpensslInside(messageOf(error))}`,
    );
  }
  return tls;
}
