/**
 * Tests that need a Debian package which a plain machine may lack. Without it they are skipped, and one line says so;
 * with CI=true, where `.ci/run` installs the packages, they fail instead. To add a package: a line below, and one in
 * `.ci/run`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, test } from 'vitest';

const runs = (file: string, ...args: string[]): boolean => spawnSync(file, args, { stdio: 'ignore' }).status === 0;

/** Slim images have `man` without the files that it needs to show a page; `man --version` works there. */
function showsPages(): boolean {
  const page = '.TH PROBE 1\n.SH NAME\nprobe \\- shown\n';
  const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-l', '-'], {
    input: page,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  return status === 0 && stderr === '' && stdout.includes('shown');
}

/** Each package, and how to see that what tests use of it is there (however it was installed). */
export const DEBIAN_PACKAGES = {
  /** What every test runs on. */
  libatomic1: () => runs(process.execPath, '--version'),
  'python3-grpcio': () => runs('/usr/bin/python3', '-c', 'import grpc, google.protobuf'),
  'golang-go': () => runs('go', 'version'),
  'golang-google-grpc-dev': () => existsSync('/usr/share/gocode/src/google.golang.org/grpc/clientconn.go'),
  'golang-github-golang-protobuf-1-5-dev': () =>
    existsSync('/usr/share/gocode/src/github.com/golang/protobuf/internal/gengogrpc'),
  python3: () => runs('/usr/bin/python3', '--version'),
  chromium: () => runs('/usr/bin/chromium', '--version'),
  curl: () => runs('curl', '--version'),
  openssl: () => runs('openssl', 'version'),
  systemd: () => runs('systemd-analyze', '--version'),
  zsh: () => runs('zsh', '-c', 'true'),
  fish: () => runs('fish', '--no-config', '--command', 'true'),
  'man-db': showsPages,
  prometheus: () => runs('prometheus', '--version') && runs('promtool', '--version'),
  'prometheus-alertmanager': () => runs('prometheus-alertmanager', '--version'),
  'prometheus-node-exporter': () => runs('prometheus-node-exporter', '--version'),
  'victoria-metrics': () => runs('victoria-metrics', '--version'),
  'python3-prometheus-client': () => runs('/usr/bin/python3', '-c', 'import prometheus_client.openmetrics.parser'),
} as const satisfies Readonly<Record<string, () => boolean>>;

export type DebianPackage = keyof typeof DEBIAN_PACKAGES;

/**
 * `describe` for tests that need these packages: `describeWith('zsh')('completion for zsh', () => { … })`.
 * The tests within are neither collected nor run where one of the packages is missing.
 */
export function describeWith(...needed: DebianPackage[]): (name: string, tests: () => void) => void {
  const missing = needed.filter((name) => !DEBIAN_PACKAGES[name]());
  if (missing.length === 0) {
    return (name, tests) => void describe(name, tests);
  }
  const advice = `apt-get install ${missing.join(' ')}`;
  if (process.env.CI === 'true') {
    return (name) =>
      void test(name, () => {
        throw new Error(`Debian packages are missing that CI must have: ${advice}`);
      });
  }
  return (name) => {
    console.warn(`Skipped: ${name} (${advice})`);
    test.skip(name);
  };
}
