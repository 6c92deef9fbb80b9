import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { withSettings } from '../../scripts/settings-table.ts';

test('the settings in docs/configuration.md are those of the options; npm run generate writes them', async () => {
  const page = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  expect(withSettings(page)).toBe(page);
});
