import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { agentOptions, clientOptions, masterOptions, type Options } from '../../src/config/options.ts';
import { resolveOptions } from '../../src/config/resolve.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** Upper-case names that are no settings of ours: what the formats themselves know. */
const FOREIGN = new Set(['NODE_ENV', 'NODE_IMAGE', 'NODE_OPTIONS']);

/** Whatever is given a value like a setting, also in a comment, since comments are there to be used. */
function namedIn(file: string): string[] {
  const text = readFileSync(join(DEPLOY, file), 'utf8');
  const names = Array.from(text.matchAll(/(?<![\w$./-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?=[=:])/g), ([, name]) => name);
  return [...new Set(names as string[])].filter((name) => !FOREIGN.has(name)).sort();
}

function known(...tables: Options[]): Set<string> {
  return new Set(tables.flatMap((options) => Object.values(options).map(({ env }) => env)));
}

test.each([
  ['Dockerfile', known(masterOptions)],
  ['compose.yaml', known(masterOptions, agentOptions)],
  ['systemd/pulselane-master.service', known(masterOptions)],
  ['systemd/pulselane-agent.service', known(agentOptions)],
  ['systemd/master.env', known(masterOptions)],
  ['systemd/agent.env', known(agentOptions)],
  ['README.md', known(masterOptions, agentOptions, clientOptions)],
])('each setting that %s names is one', (file, settings) => {
  const names = namedIn(file);
  expect(names).not.toEqual([]);
  expect(names.filter((name) => !settings.has(name))).toEqual([]);
});

test.each([
  ['systemd/master.env', masterOptions],
  ['systemd/agent.env', agentOptions],
] as const)('%s is taken as it stands, and with its comments taken away', (file, options) => {
  const text = readFileSync(join(DEPLOY, file), 'utf8');
  for (const lines of [text, text.replaceAll(/^#(?=[A-Z_]+=)/gm, '')]) {
    const assignments = lines.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const environment = Object.fromEntries(assignments.map((line) => line.split(/=(.*)/s, 2)));
    expect(() => resolveOptions(options as Options, { flags: {}, environment, dotenv: {} })).not.toThrow();
  }
});

test('wherever the program is started for good, Node’s inspector cannot be opened', () => {
  for (const file of ['systemd/pulselane-master.service', 'systemd/pulselane-agent.service']) {
    expect(readFileSync(join(DEPLOY, file), 'utf8')).toContain('Environment=NODE_OPTIONS=--disable-sigusr1');
  }
  const starts = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8').match(/"node"[^\]]*/g) ?? [];
  expect(starts).toHaveLength(2);
  for (const start of starts) expect(start).toContain('"--disable-sigusr1"');
  const { scripts } = JSON.parse(readFileSync(join(DEPLOY, '../package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(scripts.start).toContain('--disable-sigusr1 bin/pulselane.js');
});
