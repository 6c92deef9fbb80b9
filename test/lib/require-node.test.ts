import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { OLDEST_NODE, requireNode } from '../../src/lib/require-node.ts';

test('the oldest Node is that of package.json', async () => {
  const { engines } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(engines.node).toBe(`>=${OLDEST_NODE}`);
});

test.each(['18.20.8', '20.20.2', '24.14.9', '23.99.0'])('Node %s is refused in one sentence', (version) => {
  expect(() => requireNode(version)).toThrow(`pulselane needs Node ${OLDEST_NODE} or newer; this is Node ${version}`);
});

test.each(['24.15.0', '24.16.1', '25.0.0', '26.1.0', '100.0.0-nightly'])('Node %s is accepted', (version) => {
  expect(() => requireNode(version)).not.toThrow();
});

test.each(['src/index.ts', 'src/agent/agent.ts'])(
  '%s checks the Node before it imports anything else',
  async (entry) => {
    const source = await readFile(new URL(`../../${entry}`, import.meta.url), 'utf8');
    const first = /^(?:import|export)\b.*?from '([^']+)'|^import '([^']+)'/m.exec(source);
    expect(first?.[2]).toMatch(/\/lib\/require-node\.ts$/);
  },
);
