/** What an operator reads of a processor that does not load: through a real lane, whose thread loads it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { TelemetryManager } from '../../src/engine/telemetry-manager.ts';
import { messageOf } from '../../src/lib/errors.ts';
import { keptLog } from '../support/kept-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'pulselane-processor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

test.each<[string, string, (path: string) => string]>([
  [
    'a syntax error',
    'export default function load() {\n  const x = ;\n}\n',
    (path) => `processor ${path} cannot be loaded: Unexpected token ';' at ${path}:2:13`,
  ],
  [
    'an end of file too early',
    'export default function load() {\n  return 1;\n',
    (path) => `processor ${path} cannot be loaded: Unexpected end of input at ${path}:`,
  ],
  [
    'what it throws while it is loaded',
    'const a = undefined;\na.b.c = 1;\nexport default () => {};\n',
    (path) => `processor ${path} cannot be loaded: Cannot read properties of undefined (reading 'b') at ${path}:2:3`,
  ],
  [
    'a syntax error of a module that it imports',
    'import { rate } from "./rates.mjs";\nexport default () => rate;\n',
    (path) => `processor ${path} cannot be loaded: Unexpected token '}' at ${join(folder, 'rates.mjs')}:3:1`,
  ],
  [
    'a module that is not there',
    'import "./no-such.mjs";\nexport default () => {};\n',
    (path) =>
      `processor ${path} cannot be loaded: Cannot find module '${join(folder, 'no-such.mjs')}' imported from ${path}`,
  ],
  [
    'a default export that is no function',
    'export default { load() {} };\n',
    (path) => `processor ${path}: its default export is an object, expected a function`,
  ],
])('%s is told with its place, once', async (_, source, expected) => {
  file('rates.mjs', 'export const rate = () => {\n  return [\n};\n');
  const processor = file('processor.mjs', source);
  const log = keptLog();
  const manager = new TelemetryManager({ processor, logger: log.logger, maxDedicatedLanes: 0, sharedLanes: 1 });
  const error = await manager.start().then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(messageOf(error).slice(0, expected(processor).length)).toBe(expected(processor));
  expect(log.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
});

test('a file that is not there is told as such', async () => {
  const processor = join(folder, 'nowhere.mjs');
  const manager = new TelemetryManager({ processor });
  await expect(manager.start()).rejects.toThrow(`processor ${processor} cannot be loaded: no such file`);
});
