import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { buildImage, copyTree, type Image, setFoldersWritable } from './image.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const IS_ROOT = process.getuid?.() === 0;
/** This very Node, as the base image has its own. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;

let folder: string;
let image: Image;
let dataDir: string;

beforeAll(() => {
  // Within the clone, so that its packages can be linked and need not be copied.
  mkdirSync(join(ROOT, '.bootstrap'), { recursive: true });
  folder = mkdtempSync(join(ROOT, '.bootstrap/image-'));
  chmodSync(folder, 0o755);
  image = buildImage({
    dockerfile: join(ROOT, 'deploy/Dockerfile'),
    context: ROOT.replace(/\/$/, ''),
    folder,
    path: PATH,
    mayChown: IS_ROOT,
    // What `npm ci` would fetch, as this clone has it already: the bootstrap finds that it is what the lockfiles say.
    beforeRuns(workdir) {
      for (const packages of ['node_modules', 'scripts/runtime/node_modules']) {
        copyTree(join(ROOT, packages), join(workdir, packages));
        // Written in place by npm and by the bootstrap, so these must not be links.
        for (const name of ['.package-lock.json', '.pulselane-stamp']) {
          rmSync(join(workdir, packages, name), { force: true });
          if (existsSync(join(ROOT, packages, name))) {
            copyFileSync(join(ROOT, packages, name), join(workdir, packages, name));
          }
        }
      }
    },
  });
  setFoldersWritable(join(image.root, image.workdir), false);
  dataDir = join(image.root, image.volumes[0] as string);
}, 120_000);

afterAll(() => {
  setFoldersWritable(folder, true);
  rmSync(folder, { recursive: true, force: true });
});

/** Runs one of the image's commands as its user, if this process may become another one. */
function start(command: readonly string[], environment: Record<string, string>): ChildProcess {
  const [program = '', ...args] = command;
  return spawn(program, args, {
    cwd: join(image.root, image.workdir),
    env: { PATH, ...image.environment, DATA_DIR: dataDir, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(IS_ROOT ? image.user : {}),
  });
}

async function end(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  const stderr = text(child.stderr as Readable);
  const [code] = await once(child, 'close');
  return { code, stderr: await stderr };
}

test('the image holds what runs, and nothing that builds', () => {
  expect(readdirSync(join(image.root, image.workdir)).sort()).toEqual([
    'LICENSE',
    'bin',
    'deploy',
    'dist',
    'node_modules',
    'package.json',
  ]);
  expect(readdirSync(join(image.root, image.workdir, 'node_modules'))).not.toContain('typescript');
  expect(image.user.uid).not.toBe(0);
  expect(image.ports).toEqual([8080, 50_051]);
});

test('it runs without rights and writes to its volume alone; the health check tells whether it lives', async () => {
  // Loopback and any free port, for this test alone: the image listens on all interfaces.
  const [httpPort, grpcPort] = [await freePort(), await freePort()];
  // Under a name that health checks do not ask by.
  const ALLOWED_HOSTS = 'pulselane.example';
  const environment = {
    ALLOWED_HOSTS,
    HTTP_PORT: `127.0.0.1:${httpPort}`,
    GRPC_PORT: `127.0.0.1:${grpcPort}`,
    SHARED_LANES: '1',
  };
  const health = () => end(start(image.healthCommand, environment));

  const before = await health();
  expect(before.code).toBe(1);
  expect(before.stderr).toContain(`no answer from port ${httpPort}: `);

  const master = start(image.command, environment);
  try {
    const ended = end(master);
    let hasEnded = false;
    void ended.then(() => {
      hasEnded = true;
    });
    await eventually(async () => hasEnded || (await health()).code === 0);
    expect(await health()).toEqual({ code: 0, stderr: '' });
    expect(readdirSync(dataDir)).not.toEqual([]);

    master.kill(image.stopSignal as NodeJS.Signals);
    expect(await ended).toEqual({ code: 0, stderr: '' });
  } finally {
    master.kill('SIGKILL');
  }
  expect((await health()).code).toBe(1);
});

test('health: what is wrong is said in one line', async () => {
  const health = (environment: Record<string, string>) => end(start(image.healthCommand, environment));
  expect(await health({ HTTP_PORT: 'off' })).toEqual({ code: 1, stderr: expect.stringMatching(/^HTTP is off.*\n$/) });

  const stuck = createServer((_, response) => response.writeHead(503).end('{"status":"unhealthy"}'));
  stuck.listen(0, '127.0.0.1');
  await once(stuck, 'listening');
  const { port } = stuck.address() as AddressInfo;
  expect(await health({ HTTP_PORT: `:${port}` })).toEqual({ code: 1, stderr: '/health answers 503\n' });
  stuck.close();
});

test('health: over TLS, whatever the certificate names, and with it where clients must show one', async () => {
  const authority = await CertificateAuthority.create();
  try {
    chmodSync(authority.folder, 0o755);
    const { cert, key, certPem, keyPem } = await authority.issue({ commonName: 'm', dns: ['master.example'] });
    for (const file of [cert, key]) chmodSync(file, 0o644);
    for (const requestCert of [false, true]) {
      const options = { cert: certPem, key: keyPem, ca: authority.pem, requestCert, rejectUnauthorized: requestCert };
      const server = createSecureServer(options, (_, response) => response.end('{}'));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const environment = { HTTP_PORT: `127.0.0.1:${port}`, TLS_CERT: cert, TLS_KEY: key };
      expect(await end(start(image.healthCommand, environment))).toEqual({ code: 0, stderr: '' });
      server.close();
    }
  } finally {
    await authority.remove();
  }
});

test('health: a master that takes no certificate of ours lives, and one that says nothing does not', async () => {
  const [ours, theirs] = [await CertificateAuthority.create(), await CertificateAuthority.create()];
  const { cert, key, certPem, keyPem } = await ours.server();
  const server = createSecureServer({ cert: certPem, key: keyPem, ca: theirs.pem, requestCert: true });
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const health = (settings: Record<string, string>) =>
      end(
        spawn(process.execPath, [join(ROOT, 'deploy/health.mjs')], {
          env: { HTTP_PORT: `127.0.0.1:${port}`, TLS_CERT: cert, TLS_KEY: key, ...settings },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      );
    expect(await health({ TLS_CLIENT_CA: theirs.path })).toEqual({ code: 0, stderr: '' });
    // It would not be asked for one, so that something else is wrong.
    expect((await health({ TLS_CLIENT_CA: theirs.path, HTTP_CLIENT_CERT: 'off' })).code).toBe(1);
    expect((await health({ TLS_CLIENT_CA: theirs.path, HTTP_PORT: String(await freePort()) })).code).toBe(1);
  } finally {
    server.close();
    await ours.remove();
    await theirs.remove();
  }
});
