/**
 * Checks whether the master of this container is alive: exit code 0 if `/health` answers 200, otherwise 1 and one line.
 * Uses `/health` and not `/readyz`: a master that drains or is not ready yet must not be restarted.
 *
 * Reads the port from HTTP_PORT in the environment, as the master does.
 */
import { readFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { listenAddressOrOff } from '../dist/config/kinds.js';

/** Shorter than the time-out of HEALTHCHECK, so that this program reports what was wrong. */
const WITHIN_MS = 4000;
/** Listening there includes loopback. */
const ALL_INTERFACES = ['', '0.0.0.0', '::'];

try {
  const { HTTP_PORT = ':8080', TLS_CERT, TLS_KEY, TLS_CLIENT_CA, HTTP_CLIENT_CERT } = process.env;
  const address = listenAddressOrOff.parse(HTTP_PORT);
  if (address === undefined)
    throw new Error('HTTP is off, so there is nothing to check: run the container with --no-healthcheck');
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
 * The certificate need not name loopback: this checks whether the master is alive, not its identity. The master's own
 * certificate is sent as client certificate, in case it requires one.
 */
function tls(certFile, keyFile) {
  if (!certFile || !keyFile) return undefined;
  return { rejectUnauthorized: false, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/**
 * A master that requires client certificates may refuse its own, if another CA issued it or it is not valid for clients.
 * A completed TLS handshake followed by a refusal is then the only available sign of life.
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
