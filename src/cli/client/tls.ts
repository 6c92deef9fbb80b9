/** What the client commands need for TLS, from the settings: files in PEM, read and checked before anybody is asked. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ClientConfig } from '../../config/options.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';

/** In PEM; what is missing was not set. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** @throws PulselaneError `bad_setting`, naming the settings and the paths; never what is in the files */
export function clientTls({ tlsCa, tlsCert, tlsKey }: Pick<ClientConfig, 'tlsCa' | 'tlsCert' | 'tlsKey'>): ClientTls {
  const tls = {
    ...(tlsCa === undefined ? {} : { ca: textOf(`PULSELANE_TLS_CA=${tlsCa}`, tlsCa) }),
    ...(tlsCert === undefined ? {} : { cert: textOf(`PULSELANE_TLS_CERT=${tlsCert}`, tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: textOf(`PULSELANE_TLS_KEY=${tlsKey}`, tlsKey) }),
  };
  // A file without any certificate would be passed over, and show as an authority that nobody knows.
  if (tls.ca !== undefined && !tls.ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new PulselaneError('bad_setting', `PULSELANE_TLS_CA=${tlsCa}: expected certificates in PEM`);
  }
  try {
    createSecureContext(tls);
  } catch (error) {
    const files = Object.entries({ PULSELANE_TLS_CA: tlsCa, PULSELANE_TLS_CERT: tlsCert, PULSELANE_TLS_KEY: tlsKey })
      .filter(([, path]) => path !== undefined)
      .map(([name, path]) => `${name}=${path}`);
    throw new PulselaneError('bad_setting', `${files.join(', ')}: cannot be used for TLS: ${messageOf(error)}`);
  }
  return tls;
}

function textOf(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PulselaneError('bad_setting', `${setting}: cannot be read: ${messageOf(error)}`);
  }
}
