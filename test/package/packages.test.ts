/** The Debian package and the executable, built once, and run from where they were unpacked or copied. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noDebReason } from '../../scripts/package/deb.ts';
import { makePackages } from '../../scripts/package/packages.ts';
import { blockOf } from '../support/doc-pages.ts';
import { eventually } from '../support/eventually.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
/** Not compressed: it is unpacked at once. */
const QUICK = ['-Znone'];

let folder: string;
let files: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-packages-'));
  const packed = await makePackages({
    kinds: noDebReason() === undefined ? ['deb', 'executable'] : ['executable'],
    folder,
    onStep: () => {},
    onLeftOut: () => {},
    debCompression: QUICK,
  });
  files = packed.map(({ file }) => file);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileLike(pattern: RegExp): string {
  const file = files.find((name) => pattern.test(basename(name)));
  if (file === undefined) throw new Error(`no ${pattern} among ${files.join(', ')}`);
  return file;
}

/** No program can be found by it, least of all another Node. */
const NOTHING_ELSE = { PATH: '/nonexistent', NODE_OPTIONS: '' };

/** A master with an agent, a second agent, a client: all by the packed program alone. */
async function expectWhole(program: string): Promise<void> {
  const answers = (...args: string[]) => run(program, args, { env: NOTHING_ELSE });
  expect((await answers('--version')).stdout.trim()).toBe(version);
  const processor = join(folder, 'load.mjs');
  writeFileSync(processor, blockOf('test:processor', 'js'));
  const settings = {
    ...NOTHING_ELSE,
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: '127.0.0.1:0',
    PROCESSOR: processor,
  };
  const master = new PulselaneProcess(['master', '--with-agent'], settings, { program });
  const own: PulselaneProcess[] = [master];
  try {
    const [grpcPort, httpPort] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
    const to = ['agent', '--id', 'second', '--master', `127.0.0.1:${grpcPort}`];
    const agent = new PulselaneProcess(to, NOTHING_ELSE, { program });
    own.push(agent);
    await agent.logged(({ msg }) => msg.startsWith('reporting second'));
    const url = `http://127.0.0.1:${httpPort}`;
    // What a lane's own thread made of a heartbeat, with code that was found on disk.
    await eventually(async () => (await (await fetch(`${url}/api/v1/workers/second`)).text()).includes('cpu_per_task'));
    await eventually(
      async () => (await answers('workers', '--url', url)).stdout.match(/"is_active": true/g)?.length === 2,
    );
    for (const { process: child } of [agent, master]) child.kill('SIGTERM');
    expect(await agent.ended()).toBe(0);
    expect(await master.ended()).toBe(0);
    for (const { stderr } of own) expect(stderr).toBe('');
  } finally {
    for (const process of own) await process.close();
  }
}

describe('the executable', () => {
  let program: string;
  beforeAll(() => {
    // Alone in a folder of its own.
    mkdirSync(join(folder, 'alone'));
    program = join(folder, 'alone/pulselane');
    copyFileSync(fileLike(/linux-(x64|arm64)$/), program);
  });

  test('runs master, agents and client with nothing beside it', () => expectWhole(program));

  test('completes commands for a shell', async () => {
    expect((await run(program, ['completion', 'bash'], { env: NOTHING_ELSE })).stdout).toContain('complete -');
  });

  test('makes tokens', async () => {
    const { stdout } = await run(program, ['token', 'create', '--api', 'me', '--scope', 'read'], {
      env: NOTHING_ELSE,
      cwd: join(folder, 'alone'),
    });
    expect(stdout).toMatch(/\S{20,}/);
  });

  test('does not open Node’s inspector on SIGUSR1', async () => {
    const settings = { ...NOTHING_ELSE, GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off' };
    const master = new PulselaneProcess(['master'], settings, { program });
    try {
      await portOf(master, 'grpc');
      master.process.kill('SIGUSR1');
      master.process.kill('SIGTERM');
      expect(await master.ended()).toBe(0);
      expect(master.stderr).toBe('');
    } finally {
      await master.close();
    }
  });

  test('comes with the licences of all that is in it, Node’s own parts included', () => {
    const notices = readFileSync(fileLike(/^pulselane.*NOTICES$/), 'utf8');
    const parts = ['@grpc/grpc-js', 'commander', 'hono', 'systeminformation', 'zod', 'Node.js', 'OpenSSL', 'V8'];
    expect(parts.filter((part) => !notices.includes(part))).toEqual([]);
    // Also in the file itself, for whoever has nothing but a copy.
    expect(readFileSync(program).includes(notices.slice(0, 2000))).toBe(true);
  });
});

describe.skipIf(noDebReason() !== undefined)(
  `the Debian package${noDebReason() === undefined ? '' : ` (${noDebReason()})`}`,
  () => {
    let root: string;
    beforeAll(() => {
      root = join(folder, 'unpacked');
      execFileSync('dpkg-deb', ['-x', fileLike(/\.deb$/), root]);
    });

    test('runs from where it was unpacked, on the Node that it brings', () =>
      expectWhole(join(root, 'usr/bin/pulselane')));

    test('belongs to root, is writable by nobody else, and shows settings to root alone', () => {
      const listed = execFileSync('dpkg-deb', ['-c', fileLike(/\.deb$/)], { encoding: 'utf8' })
        .trim()
        .split('\n');
      for (const line of listed)
        expect(line).toMatch(/^[-dl]rw[-x]r?-?-?x?r?-?-?x?-* +root\/root |^-rw------- root\/root /);
      expect(listed.filter((line) => /^.{5}w|^.{8}w/.test(line))).toEqual([]);
      for (const name of ['master.env', 'agent.env']) {
        expect(listed.find((line) => line.endsWith(`/etc/pulselane/${name}`))).toMatch(/^-rw------- root\/root /);
      }
    });

    test('says what it is, and which files are the administrator’s', () => {
      const field = (name: string) =>
        execFileSync('dpkg-deb', ['-f', fileLike(/\.deb$/), name], { encoding: 'utf8' }).trim();
      expect(field('Package')).toBe('pulselane');
      expect(field('Version')).toBe(version);
      expect(field('Architecture')).toBe({ x64: 'amd64', arm64: 'arm64' }[process.arch as string]);
      expect(Number(field('Installed-Size'))).toBeGreaterThan(100_000);
      const control = join(folder, 'control');
      execFileSync('dpkg-deb', ['-e', fileLike(/\.deb$/), control]);
      for (const file of readFileSync(join(control, 'conffiles'), 'utf8').trim().split('\n')) {
        expect(existsSync(join(root, file)), file).toBe(true);
      }
      for (const script of ['postinst', 'prerm', 'postrm']) {
        const { stderr } = spawnSync('sh', ['-n', join(control, script)], { encoding: 'utf8' });
        expect(stderr).toBe('');
      }
    });

    test('has its man page, and completion for three shells, where Debian looks for them', () => {
      const page = gunzipSync(readFileSync(join(root, 'usr/share/man/man1/pulselane.1.gz'))).toString();
      expect(page).toMatch(/^\.TH PULSELANE 1/im);
      for (const file of [
        'bash-completion/completions/pulselane',
        'zsh/vendor-completions/_pulselane',
        'fish/vendor_completions.d/pulselane.fish',
      ]) {
        expect(readFileSync(join(root, 'usr/share', file), 'utf8')).toContain('pulselane');
      }
    });

    test('has the rules and dashboards to which its documentation leads', () => {
      const doc = join(root, 'usr/share/doc/pulselane');
      const links = Array.from(
        readFileSync(join(doc, 'docs/monitoring.md'), 'utf8').matchAll(/\]\((\.\.\/deploy\/[^)#]+)/g),
        ([, link = '']) => link,
      );
      expect(links.length).toBeGreaterThan(2);
      for (const link of links) expect(existsSync(join(doc, 'docs', link)), link).toBe(true);
      expect(readdirSync(join(doc, 'deploy/grafana/dashboards'))).toContain('pulselane-fleet.json');
    });

    test('its units start what it installs, and nothing starts by itself', () => {
      const units = join(root, 'usr/lib/systemd/system');
      expect(readdirSync(units).sort()).toEqual(['pulselane-agent.service', 'pulselane-master.service']);
      for (const unit of readdirSync(units)) {
        const program = /^ExecStart=(\S+)/m.exec(readFileSync(join(units, unit), 'utf8'))?.[1] ?? '';
        expect(existsSync(join(root, program)), program).toBe(true);
      }
      // What is enabled at boot would be links here.
      expect(existsSync(join(root, 'etc/systemd'))).toBe(false);
    });

    test('made again of the same sources, it is the same to the byte', async () => {
      const again = join(folder, 'again');
      mkdirSync(again);
      const [packed] = await makePackages({
        kinds: ['deb'],
        folder: again,
        onStep: () => {},
        onLeftOut: () => {},
        debCompression: QUICK,
      });
      expect(readFileSync(packed?.file ?? '').equals(readFileSync(fileLike(/\.deb$/)))).toBe(true);
    });

    // It changes the machine: only where that is one of CI's, which is thrown away.
    test.runIf(process.env.CI === 'true' && process.getuid?.() === 0)(
      'installs, upgrades and goes without a trace',
      () => {
        const dpkg = (...args: string[]) => execFileSync('dpkg', args, { encoding: 'utf8', stdio: 'pipe' });
        const answer = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' });
        dpkg('--install', fileLike(/\.deb$/));
        try {
          expect(answer('/usr/bin/pulselane', '--version').trim()).toBe(version);
          expect(answer('stat', '-c', '%a %U', '/etc/pulselane/secrets', '/etc/pulselane/master.env')).toBe(
            '700 pulselane\n600 root\n',
          );
          const as = ['-u', 'pulselane', '--', 'pulselane', 'token', 'create', '--worker', 'w', '--tokens-file'];
          answer('runuser', ...as, '/etc/pulselane/secrets/tokens', '--out', '/etc/pulselane/secrets/w.token');
          writeFileSync('/etc/pulselane/agent.env', 'MASTER_ADDRESS=master.example:50051\n');
          dpkg('--install', fileLike(/\.deb$/));
          expect(readFileSync('/etc/pulselane/agent.env', 'utf8')).toContain('master.example');
          const units = ['pulselane-master.service', 'pulselane-agent.service'];
          const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' });
          expect(stderr).not.toContain('pulselane');
          dpkg('--remove', 'pulselane');
          expect(existsSync('/usr/bin/pulselane')).toBe(false);
          expect(readdirSync('/etc/pulselane/secrets').sort()).toEqual(['tokens', 'w.token']);
        } finally {
          dpkg('--purge', 'pulselane');
        }
        const left = ['/etc/pulselane', '/usr/lib/pulselane', '/var/lib/pulselane'].filter((path) => existsSync(path));
        expect(left).toEqual([]);
      },
    );
  },
);
