/**
 * Asks the master of this container whether it is alive: exit code 0 if `/health` answers 200, else 1 and one line.
 * `/health` and not `/readyz`: a master that drains or is not ready yet must not be restarted for it.
 *
 * It finds the port where the master does, in HTTP_PORT of the environment.
 */
import { readFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { listenAddressOrOff } from '../dist/config/kinds.js';

/** Less than the time-out of HEALTHCHECK, so that it is this program that says what was wrong. */
const WITHIN_MS = 4000;
/** Answered on loopback of either family. */
const ALL_INTERFACES = ['', '0.0.0.0', '::'];

try {
  const { HTTP_PORT = ':8080', TLS_CERT, TLS_KEY, TLS_CLIENT_CA, HTTP_CLIENT_CERT } = process.env;
  const address = listenAddressOrOff.parse(HTTP_PORT);
  if (address === undefined) throw new Error('HTTP is off, so there is nobody to ask: run it with --no-healthcheck');
  const host = ALL_INTERFACES.includes(address.host) ? '127.0.0.1' : address.host;
  const wantsCertificate = Boolean(TLS_CLIENT_CA) && HTTP_CLIENT_CERT !== 'off';
  const asked = { host, port: address.port, path: '/health', ...tls(TLS_CERT, TLS_KEY) };
  const status = await statusOf(asked, wantsCertificate);
  if (status !== 200) throw new Error(`/health answers ${status}`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/**
 * Its certificate names the master as others call it, not as loopback: this asks whether it lives, not who it is. Its
 * own certificate is shown to it, in case that it wants one.
 */
function tls(certFile, keyFile) {
  if (!certFile || !keyFile) return undefined;
  return { rejectUnauthorized: false, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/**
 * A master that wants certificates may not take its own from a client: of another authority, or not meant for it. That
 * it has spoken TLS and then turned us away is all that there is to be known then, and a sign of life.
 */
function statusOf(options, wantsCertificate) {
  const get = options.cert === undefined ? getPlain : getSecure;
  return new Promise((resolve, reject) => {
    let hasSpoken = false;
    const request = get({ ...options, agent: false, timeout: WITHIN_MS }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('socket', (socket) => socket.once('secureConnect', () => (hasSpoken = true)));
    request.on('timeout', () => {
      hasSpoken = false;
      request.destroy(new Error(`no answer within ${WITHIN_MS / 1000} s`));
    });
    request.on('error', (error) => {
      if (wantsCertificate && hasSpoken) resolve(200);
      else reject(new Error(`no answer from port ${options.port}: ${error.message}`));
    });
  });
}
