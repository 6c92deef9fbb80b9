import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashOfToken } from '../../src/lib/tokens.ts';
import {
  grantOf,
  parseWorkerTokens,
  refusalOf,
  subjectsOfCertificate,
  type TokenSubject,
  workerTokenLine,
} from '../../src/model/identity.ts';
import { workerIdProblem } from '../../src/model/worker-id.ts';

const worker = (id: string): TokenSubject => ({ kind: 'worker', id });
const group = (id: string): TokenSubject => ({ kind: 'group', id });

describe('who speaks for whom', () => {
  const one = grantOf([worker('a')]);
  const rack = grantOf([group('rack')]);
  test.each([
    ['a worker for itself', one, { workerId: 'a', knownGroup: undefined, namedGroup: undefined }, true],
    ['a worker for itself, in any group', one, { workerId: 'a', knownGroup: 'x', namedGroup: 'y' }, true],
    ['a worker for another', one, { workerId: 'b', knownGroup: 'rack', namedGroup: undefined }, false],
    ['a worker that registers another', one, { workerId: 'b', knownGroup: undefined, namedGroup: 'rack' }, false],
    ['a group for its worker', rack, { workerId: 'b', knownGroup: 'rack', namedGroup: undefined }, true],
    ['a group that registers its worker', rack, { workerId: 'b', knownGroup: undefined, namedGroup: 'rack' }, true],
    ['a group that registers its worker again', rack, { workerId: 'b', knownGroup: 'rack', namedGroup: 'rack' }, true],
    ['a group for a worker of another', rack, { workerId: 'b', knownGroup: 'other', namedGroup: undefined }, false],
    ['a group that takes one over', rack, { workerId: 'b', knownGroup: 'other', namedGroup: 'rack' }, false],
    ['a group that takes over one without', rack, { workerId: 'b', knownGroup: '', namedGroup: 'rack' }, false],
    ['a group that moves one out', rack, { workerId: 'b', knownGroup: 'rack', namedGroup: 'other' }, false],
    ['a group that lets one go', rack, { workerId: 'b', knownGroup: 'rack', namedGroup: '' }, false],
    ['a group for one that is not known', rack, { workerId: 'b', knownGroup: undefined, namedGroup: undefined }, false],
    [
      'a group that registers one with a token of its own',
      rack,
      { workerId: 'b', knownGroup: undefined, namedGroup: 'rack', hasOwnToken: true },
      false,
    ],
    [
      'a group for its worker with a token of its own',
      rack,
      { workerId: 'b', knownGroup: 'rack', namedGroup: undefined, hasOwnToken: true },
      true,
    ],
    ['nobody', grantOf([]), { workerId: 'b', knownGroup: '', namedGroup: '' }, false],
  ])('%s', (_, grant, claim, may) => {
    expect(refusalOf(grant, { hasOwnToken: false, ...claim }) === undefined).toBe(may);
  });

  test('a worker that was started without its group is told which one', () => {
    const claim = { workerId: 'relay-3', knownGroup: undefined, namedGroup: '', hasOwnToken: false };
    expect(refusalOf(rack, claim)).toBe(
      'it may not register relay-3 in no group; it may in group rack (agent: --group rack)',
    );
  });
});

describe('a file of worker tokens', () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => !workerIdProblem(text));
  const subject = fc.record({ kind: fc.constantFrom('worker' as const, 'group' as const), id });
  const tokens = fc.uniqueArray(
    fc.record({
      hash: fc.string().map(hashOfToken),
      subjects: fc.array(subject, { minLength: 1, maxLength: 5 }),
      expiresUnixMs: fc.option(
        fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 }).map((atS) => atS * 1000),
        { nil: undefined },
      ),
    }),
    { selector: ({ hash }) => hash },
  );

  test('is read as it was written, whatever the ids', () => {
    fc.assert(
      fc.property(tokens, (all) => {
        const lines = all.flatMap(({ hash, subjects, expiresUnixMs }) =>
          subjects.map((s) => workerTokenLine(s, hash, expiresUnixMs)),
        );
        const read = parseWorkerTokens(['# made by a test', '', ...lines].join('\n'), 'file');
        const facts = ({ hash, subjects, expiresUnixMs }: (typeof all)[number]) => ({ hash, subjects, expiresUnixMs });
        expect(read.map((token) => ({ ...facts(token as never), grant: token.grant }))).toEqual(
          all.map((token) => ({ ...facts(token), grant: grantOf(token.subjects) })),
        );
      }),
    );
  });

  const hash = `sha256:${'0'.repeat(64)}`;
  test.each([
    [`worker:a`, 'expected "worker:<id> sha256:'],
    [`a ${hash}`, 'expected "worker:<id> sha256:'],
    [`worker: ${hash}`, 'expected "worker:<id> sha256:'],
    [`robot:a ${hash}`, 'expected "worker:<id> sha256:'],
    [`worker:a b ${hash}`, 'expected "worker:<id> sha256:'],
    [`worker:%zz ${hash}`, 'expected "worker:<id> sha256:'],
    [`worker:%2e ${hash}`, 'cannot be named in a URL'],
    [`worker:a%00 ${hash}`, 'control character'],
    [`group:${'x'.repeat(300)} ${hash}`, 'expected a group of at most 256 bytes'],
    [`worker:a expires:tomorrow ${hash}`, 'expected "expires:2026-12-24T18:00:00Z" before the hash'],
    [`worker:a expires:2026-12-24T18:00 ${hash}`, 'in UTC or with a zone'],
    [`expires:2026-12-24 worker:a ${hash}`, 'expected "worker:<id> sha256:'],
    [`worker:a expires:2026-12-24 ${hash}`, 'expected the expiry of the other lines of this token'],
    [`worker:a sha256:plt_not-a-hash`, 'expected "worker:<id> sha256:'],
  ])('%s is an error that names the line', (line, message) => {
    const parse = () => parseWorkerTokens(`worker:b ${hash}\n\n${line}`, '/etc/tokens');
    expect(parse).toThrow('/etc/tokens:3: ');
    expect(parse).toThrow(message);
    expect(parse).not.toThrow('plt_');
  });

  test('shows few of many names', () => {
    const lines = ['a', 'b', 'c', 'd', 'e'].map((name) => `worker:${name} ${hash}`).join('\n');
    expect(parseWorkerTokens(lines, 'file')[0]?.name).toBe('the token of a, b, c and 2 more');
  });
});

test.each([
  ['DNS:worker-1, URI:urn:pulselane:worker:a%2Cb', [worker('worker-1'), worker('a,b')]],
  ['URI:urn:pulselane:group:rack%207, IP Address:10.0.0.1', [group('rack 7')]],
  ['URI:"urn:pulselane:group:rack\\u002c7"', [group('rack,7')]],
  ['DNS:"a\\u002c DNS:b"', [worker('a, DNS:b')]],
  ['DNS:a, rubbish', undefined],
  ['DNS:"a\\x"', undefined],
  ['URI:https://example.org/worker-1, email:worker@example.org', undefined],
  ['URI:urn:pulselane:worker:%, URI:urn:pulselane:group:', undefined],
])('the names %j speak for %j', (subjectaltname, subjects) => {
  expect(subjectsOfCertificate({ subjectaltname, subject: { CN: 'somebody-else' } })).toEqual(subjects);
});

test('the common name counts where there is no other name', () => {
  expect(subjectsOfCertificate({ subject: { CN: 'worker-1' } })).toEqual([worker('worker-1')]);
  expect(subjectsOfCertificate({ subject: { CN: ['a', 'b'] } })).toBeUndefined();
  expect(subjectsOfCertificate({ subject: {} })).toBeUndefined();
  expect(subjectsOfCertificate({})).toBeUndefined();
});
