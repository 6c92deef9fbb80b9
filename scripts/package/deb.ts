/**
 * The Debian package: the bundled program, the scripts of its threads, the pinned Node, the systemd units and their files.
 * The build is reproducible (SOURCE_DATE_EPOCH).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { noticesText } from './notices.ts';
import { NODE, NODE_FOLDER, type Packed, packedAtUnixS, ROOT, THREADS, version } from './parts.ts';
import type { Program } from './program-bundle.ts';

const DEPLOY = join(ROOT, 'deploy');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Of the pinned Node's 150 MB on 2 cores: xz -0 41 MB in 3 s, xz -1 38 MB in 5 s, xz -6 32 MB in 51 s; zstd -3 46 MB in 0.4 s,
 * but dpkg reads zstd from Debian 12 on only.
 */
const COMPRESSION = ['-Zxz', '-z1'];

/** Files that the build makes besides the program, and where Debian installs them. */
const SHARED: readonly (readonly [built: string, installed: string])[] = [
  ['completions/pulselane.bash', 'usr/share/bash-completion/completions/pulselane'],
  ['completions/_pulselane', 'usr/share/zsh/vendor-completions/_pulselane'],
  ['completions/pulselane.fish', 'usr/share/fish/vendor_completions.d/pulselane.fish'],
  ['man/man1/pulselane.1', 'usr/share/man/man1/pulselane.1.gz'],
];

/** Why this machine cannot make one; undefined if it can. */
export function noDebReason(): string | undefined {
  if (process.platform !== 'linux') return `it is made on Linux, and this is ${process.platform}`;
  if (!(process.arch in ARCHITECTURES)) return `it is made for x64 and arm64, and this is ${process.arch}`;
  if (spawnSync('dpkg-deb', ['--version']).error !== undefined)
    return 'dpkg-deb is not here: it comes with Debian and Ubuntu';
  return undefined;
}

/** @param compression as options of dpkg-deb */
export function packDeb(
  folder: string,
  scratch: string,
  program: Program,
  compression: readonly string[] = COMPRESSION,
): Packed {
  const root = join(scratch, 'deb');
  layOut(root, program);
  const installedKib = Math.ceil(sizeOf(root) / 1024);
  const architecture = ARCHITECTURES[process.arch] as string;
  layOutControl(join(root, 'DEBIAN'), architecture, installedKib);
  const packedAt = packedAtUnixS();
  setTimes(root, packedAt);
  const file = join(folder, `pulselane_${version()}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', root, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(packedAt) },
  });
  return { file, purpose: 'a Debian or Ubuntu machine, as a service: apt install' };
}

function layOut(root: string, program: Program): void {
  const put = (path: string, content: string | Buffer, mode = 0o644) => {
    const file = join(root, path);
    makeFolder(dirname(file));
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  const copy = (from: string, path: string, mode = 0o644) => put(path, readFileSync(from), mode);
  const debian = (name: string) => join(DEPLOY, 'debian', name);

  copy(debian('pulselane'), 'usr/bin/pulselane', 0o755);
  makeFolder(join(root, 'usr/lib/pulselane'));
  copyFileSync(NODE, join(root, 'usr/lib/pulselane/node'));
  chmodSync(join(root, 'usr/lib/pulselane/node'), 0o755);
  // In a folder of its own: the program looks for its threads in `..`, as in dist/.
  for (const file of program.files) copy(file, `usr/lib/pulselane/lib/${basename(file)}`);
  for (const thread of THREADS) copy(join(ROOT, 'dist', thread), `usr/lib/pulselane/${thread}`);

  for (const unit of ['pulselane-master.service', 'pulselane-agent.service']) {
    put(`usr/lib/systemd/system/${unit}`, packagedUnit(readFileSync(join(DEPLOY, 'systemd', unit), 'utf8')));
  }
  copy(join(DEPLOY, 'systemd/pulselane.sysusers.conf'), 'usr/lib/sysusers.d/pulselane.conf');
  // They may contain a token; systemd reads them as root.
  for (const name of ['master.env', 'agent.env']) copy(join(DEPLOY, 'systemd', name), `etc/pulselane/${name}`, 0o600);

  for (const [built, installed] of SHARED) {
    const content = readFileSync(join(ROOT, 'dist/share', built));
    put(installed, installed.endsWith('.gz') ? gzipped(content) : content);
  }
  const doc = 'usr/share/doc/pulselane';
  put(`${doc}/copyright`, copyright());
  put(`${doc}/THIRD-PARTY-NOTICES.gz`, gzipped(noticesText('This package', ROOT, program.packages, NODE_FOLDER)));
  put(`${doc}/changelog.gz`, gzipped(changelog()));
  copy(join(ROOT, 'CHANGELOG.md'), `${doc}/CHANGELOG.md`);
  copy(join(ROOT, 'README.md'), `${doc}/README.md`);
  for (const page of readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))) {
    copy(join(ROOT, 'docs', page), `${doc}/docs/${page}`);
  }
  // Beside docs/, whose links lead to them.
  for (const folder of ['prometheus', 'grafana']) {
    for (const entry of readdirSync(join(DEPLOY, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      copy(file, `${doc}/deploy/${relative(DEPLOY, file)}`);
    }
  }
  copy(debian('lintian-overrides'), 'usr/share/lintian/overrides/pulselane');
}

/** With mode 755, whatever the umask is. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
  chmodSync(path, 0o755);
}

/** The units in deploy/ have the paths of an npm install under /opt. */
function packagedUnit(text: string): string {
  const packaged = text
    .replace('/opt/pulselane/bin/pulselane', '/usr/bin/pulselane')
    .replace(
      'file:///opt/pulselane/lib/node_modules/pulselane/README.md',
      'man:pulselane(1) file:///usr/share/doc/pulselane/README.md',
    );
  if (packaged.includes('/opt/'))
    throw new Error('a unit in deploy/systemd names a path that its package does not have');
  return packaged;
}

function copyright(): string {
  return `Copyright 2026 the authors of Pulselane

Pulselane is licensed under the Apache License, Version 2.0, which on Debian systems is
/usr/share/common-licenses/Apache-2.0. What it contains of others, and under which licences, is in
THIRD-PARTY-NOTICES.gz beside this file.
`;
}

/** In the format of Debian's tools. */
function changelog(): string {
  const maintainer = /^Maintainer: (.*)$/m.exec(readFileSync(join(DEPLOY, 'debian/control'), 'utf8'))?.[1] ?? '';
  const date = new Date(packedAtUnixS() * 1000).toUTCString().replace('GMT', '+0000');
  return `pulselane (${version()}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${maintainer}  ${date}\n`;
}

/** Without name and time; level 9, as Debian's policy requires. */
function gzipped(content: string | Buffer): Buffer {
  return gzipSync(content, { level: 9 });
}

function layOutControl(folder: string, architecture: string, installedKib: number): void {
  makeFolder(folder);
  const control = readFileSync(join(DEPLOY, 'debian/control'), 'utf8')
    .replace('@VERSION@', version())
    .replace('@ARCHITECTURE@', architecture)
    .replace('@INSTALLED_KIB@', String(installedKib));
  writeFileSync(join(folder, 'control'), control);
  copyFileSync(join(DEPLOY, 'debian/conffiles'), join(folder, 'conffiles'));
  for (const name of ['control', 'conffiles']) chmodSync(join(folder, name), 0o644);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(DEPLOY, 'debian', script), join(folder, script));
    chmodSync(join(folder, script), 0o755);
  }
}

function sizeOf(path: string): number {
  const status = statSync(path);
  if (!status.isDirectory()) return status.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function setTimes(path: string, unixS: number): void {
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) setTimes(join(path, name), unixS);
  lutimesSync(path, unixS, unixS);
}
