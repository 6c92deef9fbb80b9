import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEBIAN_PACKAGES } from '../support/debian.ts';

const script = readFileSync(new URL('../../.ci/run', import.meta.url), 'utf8');

test('CI installs each package that tests need, and says why', () => {
  const list = /^packages=\(\n(.*?)^\)$/ms.exec(script)?.[1]?.trimEnd().split('\n') ?? [];
  const rows = list.map((line) => /^ {2}(\S+) +# \S.*$/.exec(line)?.[1] ?? `without a reason: ${line}`);
  expect(rows.toSorted()).toEqual(Object.keys(DEBIAN_PACKAGES).toSorted());
});
