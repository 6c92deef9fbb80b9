import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonIn } from '../../src/lib/json.ts';
import { objectsIn } from '../../src/lib/json-objects.ts';
import { repetitions } from '../support/repetitions.ts';

function read(bytes: Buffer, maxBytes = 1000) {
  const found: unknown[] = [];
  const take = (text: string) => {
    const value = jsonIn(text);
    const isOurs = typeof (value as { id?: unknown } | undefined)?.id === 'number';
    if (isOurs) found.push(value);
    return isOurs;
  };
  return { found, losses: objectsIn(bytes, { maxBytes, beginning: '{"id":', take }) };
}

/** Whatever may stand in a line of ours: strings that look like an end, a beginning, an escape. */
const values = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.constantFrom('{"id":', '}', '\\', '"}{"')), {
  maxKeys: 3,
});
const objects = fc.array(values, { maxLength: 8 }).map((all) => all.map((labels, id) => ({ id, info: { labels } })));
const textOf = (all: readonly object[]) => all.map((object) => `${JSON.stringify(object)}\n`);
/** What nobody can take for an object of ours. */
const nonsense = fc.oneof(
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes).filter((byte) => byte !== 123)),
  fc.nat(2000).map((length) => new Uint8Array(length)),
);

test('all that is whole is found, with or without line feeds', () => {
  fc.assert(
    fc.property(objects, fc.boolean(), (all, isJoined) => {
      const text = textOf(all).join('');
      const { found, losses } = read(Buffer.from(isJoined ? text.replaceAll('\n', '') : text));
      expect(found).toEqual(all);
      expect(losses).toMatchObject({ lostPlaces: 0, lostBytes: 0, isCutShort: false });
    }),
    { numRuns: repetitions(200, 20_000) },
  );
});

test('wherever a file is cut, all before the cut is found', () => {
  fc.assert(
    fc.property(objects, fc.nat(), (all, at) => {
      const texts = textOf(all);
      const bytes = Buffer.from(texts.join(''));
      const cut = bytes.length === 0 ? 0 : at % bytes.length;
      let whole = 0;
      let end = 0;
      for (const text of texts) {
        end += Buffer.byteLength(text);
        // Its line feed may be missing.
        if (end - 1 <= cut) whole++;
      }
      expect(read(bytes.subarray(0, cut)).found).toEqual(all.slice(0, whole));
    }),
    { numRuns: repetitions(200, 20_000) },
  );
});

test('whatever stands between the lines, all of them are found and all else is counted', () => {
  fc.assert(
    fc.property(objects, fc.array(nonsense, { minLength: 9, maxLength: 9 }), (all, between) => {
      const texts = textOf(all);
      const bytes = Buffer.concat(
        texts.flatMap((text, index) => [between[index] ?? Buffer.alloc(0), Buffer.from(text)]),
      );
      const { found, losses } = read(bytes);
      expect(found).toEqual(all);
      expect(losses.bytes).toBe(bytes.length);
      expect(losses.lostBytes).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: repetitions(200, 20_000) },
  );
});

test('whatever the bytes are, they are read to the end in bounded time, and nothing is made up', () => {
  const pieces = fc.array(fc.oneof(fc.constantFrom('{"id":', '{', '}', '"', '\\', '\n', '{"id":1}'), fc.string()));
  fc.assert(
    fc.property(pieces, fc.nat(40), (all, maxBytes) => {
      const bytes = Buffer.from(all.join(''));
      const { found, losses } = read(bytes, maxBytes);
      for (const value of found) expect(bytes.includes(`{"id":${(value as { id: number }).id}`)).toBe(true);
      expect(losses.lostBytes).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: repetitions(300, 30_000) },
  );
  // Each beginning could be looked at to the end: 10^11 looks.
  const { found, losses } = read(Buffer.from(`${'{"id":'.repeat(100_000)}\n{"id":7}\n`), 10_000_000);
  expect(found).toEqual([{ id: 7 }]);
  expect(losses.lostPlaces).toBe(1);
});
