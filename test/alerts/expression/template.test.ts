import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkTemplate, renderTemplate } from '../../../src/alerts/expression/template.ts';
import type { AlertValue } from '../../../src/model/alert.ts';
import { repetitions } from '../../support/repetitions.ts';

function rendered(text: string, values: Readonly<Record<string, AlertValue | readonly string[]>>): string {
  const { template, problems } = checkTemplate(text, 'worker');
  expect(problems).toEqual([]);
  return renderTemplate(template, (expression) => values[expression.text] ?? null);
}

describe('a template', () => {
  it.each([
    ['{{ worker_id }} is hot', 'w-1 is hot'],
    ['{{worker_id}}{{ worker_id }}', 'w-1w-1'],
    ['{{ "}}" + worker_id }}', '}}w-1'],
    ['no expression }} {', 'no expression }} {'],
    ['{{ cpu_usage }} %', '93.5 %'],
    ['{{ tasks }}', '1234567'],
    ['{{ score }}', '0.0123'],
    ['{{ skew_ms }}', '-1234567.9'],
    ['{{ gpu_usage }}', '(no value)'],
    ['{{ stuck }} {{ flapping }}', 'yes no'],
    ['{{ gpus.map(g, g.name) }}', 'A100, H100'],
    ['', ''],
  ])('%s', (text, expected) => {
    const values = {
      worker_id: 'w-1',
      '"}}" + worker_id': '}}w-1',
      cpu_usage: 93.4567,
      tasks: 1_234_567,
      score: 0.012_345,
      skew_ms: -1_234_567.891,
      gpu_usage: null,
      stuck: true,
      flapping: false,
      'gpus.map(g, g.name)': ['A100', 'H100'],
    };
    expect(rendered(text, values)).toBe(expected);
  });

  it('is cut if its values are long', () => {
    const text = rendered('{{ worker_id }}', { worker_id: 'x'.repeat(10_000) });
    expect(text).toHaveLength(4_000);
    expect(text.endsWith('…')).toBe(true);
  });

  it.each([
    `{{ worker_id.matches("a|b") ? "x" : "y" }}`,
    `{{ worker_id == '|' ? "}}" : "{{" }}`,
    `{{ r"\\}}" + "\\"}}" }}`,
  ])('takes whatever stands in quoted texts: %s', (text) => {
    const { template, problems } = checkTemplate(text, 'worker');
    expect(problems).toEqual([]);
    expect(template).toHaveLength(1);
  });

  it.each([
    ['{{', 0, '"{{" has no end'],
    ['a {{ }} b', 2, '"{{ }}" names nothing; expected an expression such as {{ worker_id }}'],
    ['a {{ wrker_id }}', 5, 'unknown name wrker_id; did you mean worker_id?'],
    ['a {{ $value }}', 2, 'of another template language'],
    ['{{ .Labels.x }}', 0, 'of another template language'],
    ['{{- cpu_usage -}}', 0, 'unknown'],
    ['{{ cpu_usage | humanize }}', 0, 'of another template language'],
    ['{{ metrics }}', 3, 'a map of numbers cannot be shown'],
    ['{{ gpus }}', 3, 'a list of devices cannot be shown'],
    ['x'.repeat(4_001), 4_000, 'has 4001 characters'],
  ])('says where it is wrong: %s', (text, start, message) => {
    const { problems } = checkTemplate(text, 'worker');
    if (message === 'unknown') expect(problems).not.toEqual([]);
    else expect(problems).toEqual([{ start, end: expect.any(Number), message: expect.stringContaining(message) }]);
  });

  it('is checked, or has problems within it, whatever it is', () => {
    const pieces = fc.oneof(
      fc.constantFrom('{{', '}}', '{{ worker_id }}', '"', "'", '\\', ' ', 'cpu_usage', '|'),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        const { template, problems } = checkTemplate(text, 'worker');
        for (const { start, end } of problems) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeLessThanOrEqual(text.length);
          expect(start).toBeLessThanOrEqual(end);
        }
        if (!text.includes('{{')) expect(template.join('')).toBe(text);
        if (problems.length === 0) expect(typeof renderTemplate(template, () => null)).toBe('string');
      }),
      { numRuns: repetitions(300, 20_000) },
    );
  });
});
