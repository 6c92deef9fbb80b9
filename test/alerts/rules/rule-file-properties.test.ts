/** Whatever a rule file contains, it is either taken, or its problems have a place in it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDocument, Scalar, stringify } from 'yaml';
import { parseRules } from '../../../src/alerts/rules/parse-rules.ts';
import { type ScalarStyle, scalarOffsets } from '../../../src/alerts/rules/scalar-offsets.ts';
import { repetitions } from '../../support/repetitions.ts';

const VALID = `receivers:
  - { name: hook, webhook: { url: "http://127.0.0.1:9000/", token_file: token } }
  - { name: mail, email: { host: mail.example, from: a@b.example, to: [c@d.example] } }
route:
  receiver: hook
  group_by: [alertname, group]
  routes:
    - { match: { severity: page }, receiver: mail, group_wait: 10s, continue: true }
    - match: ['severity=~"warn.*"', 'team!="x"']
      mute_times: [nights]
evaluation_interval: 5s
mute_times:
  - { name: nights, time_zone: Europe/Berlin, intervals: [{ times: ["22:00-24:00"], weekdays: "monday:friday" }] }
inhibit:
  - { source: { alertname: Hot }, target: { alertname: Block }, equal: [worker] }
disable: [ClockSkew]
rules:
  - { alert: Hot, for_each: worker, when: "cpu_usage > 90.0", for: 1s, severity: page, annotations: { summary: "{{ worker_id }} is hot: {{ cpu_usage }}" } }
  - alert: Block
    when: |
      avg_over("memory_usage", "10m") > 90
        && state == "active"
    clear_when: >-
      memory_usage <
      80
    labels: &l { team: render }
  - { alert: Few, for_each: group, when: 'count("inactive") > 2 || brake', labels: *l, runbook_url: https://example.org/few }
`;

const parse = (text: string) =>
  parseRules(text, { path: '/x/rules.yaml', allowsCommands: true, readFile: () => 'token' });

/** Words and characters that mean something in YAML, CEL or templates. */
const PIECES = [
  '"',
  "'",
  '{{',
  '}}',
  '[',
  ']',
  '{',
  '}',
  ':',
  '- ',
  '\n',
  '  ',
  '#',
  '&a ',
  '*a',
  '!!x ',
  '|',
  '>',
  '\t',
  '\\',
  '0',
  '-1',
  '1e999',
  'null',
  '~',
  'true',
  '<<: *l',
  '---\n',
  '%',
  '\u0000',
  'ä',
  '😀',
  '(',
  ')',
  '&&',
  '__proto__',
  'constructor',
  'labels',
  'when',
  'cpu_usage',
  '"5m"',
  '\r\n',
];

const edits = fc.array(
  fc.record({
    at: fc.nat(VALID.length),
    remove: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(80)),
    insert: fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5 }), fc.constant('')),
  }),
  { minLength: 1, maxLength: 4 },
);

test('the file that is changed below is valid', () => {
  expect(parse(VALID).problems).toBeUndefined();
});

test('a changed file is taken, or its problems have a place in it', () => {
  fc.assert(
    fc.property(edits, (list) => {
      const text = list.reduce(
        (before, { at, remove, insert }) => before.slice(0, at) + insert + before.slice(at + remove),
        VALID,
      );
      const { rules, problems = [], warnings } = parse(text);
      expect(rules === undefined).toBe(problems.length > 0);
      const lines = text.split('\n');
      for (const { line = 0, column = 0, message } of [...problems, ...warnings]) {
        expect(message).not.toBe('');
        expect(message).not.toMatch(/undefined|\[object|Invalid input/);
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines.length);
        expect(column).toBeGreaterThanOrEqual(1);
        // Behind the last character at most.
        expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
      }
    }),
    { numRuns: repetitions(120, 20_000) },
  );
});

const STYLES: readonly [ScalarStyle, Scalar.Type][] = [
  ['plain', Scalar.PLAIN],
  ['single', Scalar.QUOTE_SINGLE],
  ['double', Scalar.QUOTE_DOUBLE],
  ['block', Scalar.BLOCK_LITERAL],
  ['block', Scalar.BLOCK_FOLDED],
];

test('each character of a scalar is found where it stands in the file', () => {
  const words = fc.array(
    fc.oneof(
      fc.constantFrom('cpu_usage', '>', '90', '"a"', "'b'", '\\', '&&', '\n', '  ', ':', '#', 'ä'),
      fc.string({ maxLength: 4 }),
    ),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(words, fc.constantFrom(...STYLES), (parts, [, type]) => {
      const scalar = new Scalar(parts.join(' ').trim());
      scalar.type = type;
      const text = stringify({ rules: [{ when: scalar }] }, { lineWidth: 30 });
      const node = parseDocument(text).getIn(['rules', 0, 'when'], true) as Scalar;
      const value = String(node.value);
      const [start = 0, end = 0] = node.range ?? [];
      const raw = text.slice(start, end);
      // The library may choose another style than asked for.
      const style = STYLES.find(([, written]) => written === node.type)?.[0] ?? 'plain';
      const offsets = scalarOffsets(raw, value, style);
      expect(offsets).toHaveLength(value.length + 1);
      offsets.forEach((offset, index) => {
        expect(offset).toBeGreaterThanOrEqual(offsets[index - 1] ?? 0);
        expect(offset).toBeLessThanOrEqual(raw.length);
        const char = value[index];
        if (char === undefined || /\s/.test(char)) return;
        if (!(style === 'double' && raw[offset] === '\\')) expect(raw[offset]).toBe(char);
      });
    }),
    { numRuns: repetitions(150, 20_000) },
  );
});
