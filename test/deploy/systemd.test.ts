import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/debian.ts';

const UNITS = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
const SERVICES = readdirSync(UNITS).filter((name) => name.endsWith('.service'));

/** The last value of a setting, as systemd has it for those that are not lists. */
function lastValue(unit: string, name: string): string | undefined {
  return readFileSync(join(UNITS, unit), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${name}=`))
    .at(-1)
    ?.slice(name.length + 1);
}

test.each(SERVICES)('%s keeps what the program needs, and gives up what it does not', (unit) => {
  expect(lastValue(unit, 'User')).toBe('pulselane');
  expect(lastValue(unit, 'NoNewPrivileges')).toBe('yes');
  expect(lastValue(unit, 'ProtectSystem')).toBe('strict');
  expect(lastValue(unit, 'CapabilityBoundingSet')).toBe('');
  // V8 could not start.
  expect(lastValue(unit, 'MemoryDenyWriteExecute')).toBe('no');
  expect(lastValue(unit, 'Restart')).toBe('on-failure');
});

test('the agent has a directory for its socket, for its group, that a restart leaves', () => {
  const [agent] = SERVICES.filter((name) => name.includes('agent'));
  const settings = ['RuntimeDirectory', 'RuntimeDirectoryMode', 'RuntimeDirectoryPreserve'];
  expect(settings.map((name) => lastValue(agent as string, name))).toEqual(['pulselane', '0750', 'restart']);
});

describeWith('systemd')('the units as systemd-analyze reads them', () => {
  let root: string;

  /** A tree in which the program is where the units expect it. */
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'pulselane-units-'));
    mkdirSync(join(root, 'opt/pulselane/bin'), { recursive: true });
    writeFileSync(join(root, 'opt/pulselane/bin/pulselane'), '#!/bin/sh\n');
    chmodSync(join(root, 'opt/pulselane/bin/pulselane'), 0o755);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** What systemd says of a unit whose programs lie in the tree; of the machine it may say what it likes. */
  function verify(unit: string, change: (text: string) => string = (text) => text): string {
    const text = readFileSync(join(UNITS, unit), 'utf8').replaceAll('/opt/pulselane/bin', `${root}/opt/pulselane/bin`);
    const file = join(root, unit);
    writeFileSync(file, change(text));
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    return `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line.includes(root) || line.startsWith(unit))
      .join('\n');
  }

  test.each(SERVICES)('%s is understood, with no word of warning', (unit) => {
    expect(verify(unit)).toBe('');
  });

  test('a mistake would be told', () => {
    const [unit = ''] = SERVICES;
    expect(verify(unit, (text) => text.replace('ProtectHome=yes', 'ProtectHome=perhaps'))).toMatch(/protect ?home/i);
    expect(verify(unit, (text) => text.replace('/bin/pulselane', '/bin/pulselan'))).toContain('pulselan');
  });

  test.each(SERVICES)('%s is rated as little exposed', (unit) => {
    verify(unit);
    const { stdout, stderr, status } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=yes', '--no-pager', '--threshold=25', join(root, unit)],
      { encoding: 'utf8' },
    );
    expect(status, `${stdout}${stderr}`).toBe(0);
  });
});
