import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { withSettings } from '../../scripts/settings-table.ts';

test('the README’s settings are those of the options; npm run generate writes them', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  expect(withSettings(readme)).toBe(readme);
});
