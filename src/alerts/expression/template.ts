/**
 * Texts with expressions in `{{ … }}`: annotations. There is no other template language.
 *
 * | value             | is shown as                                      |
 * |-------------------|--------------------------------------------------|
 * | whole number      | as it is                                         |
 * | other number      | with one decimal; below 1 with three digits      |
 * | true, false       | `yes`, `no`                                      |
 * | list of texts     | with commas                                      |
 * | missing           | `(no value)`                                     |
 */
import type { AlertValue, ForEach } from '../../model/alert.ts';
import type { Place } from '../rules/place.ts';
import { checkExpression } from './check.ts';
import type { CheckedExpression } from './checked.ts';
import type { ExpressionProblem } from './parse.ts';

/** A text with expressions in `{{ … }}`, in parts. */
export type Template = readonly (string | CheckedExpression)[];

/** Receivers take so much: Slack 3,000 characters a block, Discord 4,096, PagerDuty 1,024 in its summary. */
export const MAX_TEMPLATE_LENGTH = 4_000;
/** Most characters of a rendered one: values of labels have 1,024. */
export const MAX_RENDERED_LENGTH = 4_000;
export const MISSING = '(no value)';

export interface CheckedTemplate {
  readonly template: Template;
  readonly problems: readonly ExpressionProblem[];
  readonly warnings: readonly ExpressionProblem[];
}

/** @param placeOf where an offset of the text stands in the rule file */
export function checkTemplate(
  text: string,
  forEach: ForEach,
  placeOf: (offset: number) => Place | undefined = () => undefined,
): CheckedTemplate {
  const parts: (string | CheckedExpression)[] = [];
  const problems: ExpressionProblem[] = [];
  const warnings: ExpressionProblem[] = [];
  if (text.length > MAX_TEMPLATE_LENGTH) {
    const message = `the text has ${text.length} characters; at most ${MAX_TEMPLATE_LENGTH} are allowed`;
    return { template: [], problems: [{ start: MAX_TEMPLATE_LENGTH, end: text.length, message }], warnings };
  }
  let at = 0;
  for (;;) {
    const open = text.indexOf('{{', at);
    if (open === -1) break;
    if (open > at) parts.push(text.slice(at, open));
    const close = endOfExpression(text, open + 2);
    if (close === -1) {
      problems.push({ start: open, end: open + 2, message: '"{{" has no end; expected "}}" behind an expression' });
      return { template: parts, problems, warnings };
    }
    const inner = text.slice(open + 2, close);
    const start = open + 2 + inner.length - inner.trimStart().length;
    at = close + 2;
    const foreign = foreignSyntax(inner.trim(), forEach);
    if (foreign !== undefined) {
      problems.push({ start: open, end: at, message: foreign });
      continue;
    }
    const checked = checkExpression(inner.trim(), forEach, placeOf(start), 'shown');
    const moved = (problem: ExpressionProblem) => ({
      ...problem,
      start: problem.start + start,
      end: problem.end + start,
    });
    problems.push(...checked.problems.map(moved));
    warnings.push(...checked.warnings.map(moved));
    if (checked.expression !== undefined) parts.push(checked.expression);
  }
  if (at < text.length) parts.push(text.slice(at));
  return { template: parts, problems, warnings };
}

/** A quoted text of CEL; in a raw one (`r"…"`) a backslash is an ordinary character. One without an end takes the rest. */
const QUOTED =
  /\b[rR][bB]?(?:"[^"]*(?:"|$)|'[^']*(?:'|$))|"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)|'(?:[^'\\]|\\[\s\S])*(?:'|\\?$)/g;

/** The text, of the same length, with blanks for what is quoted in it. */
function withoutQuoted(text: string): string {
  return text.replace(QUOTED, (quoted) => ' '.repeat(quoted.length));
}

/** The `}}` behind an expression; those in its quoted texts do not count. −1: there is none. */
function endOfExpression(text: string, from: number): number {
  const end = withoutQuoted(text.slice(from)).indexOf('}}');
  return end < 0 ? -1 : from + end;
}

/** What people write who know the templates of other systems. */
function foreignSyntax(text: string, forEach: ForEach): string | undefined {
  const example = forEach === 'worker' ? '{{ worker_id }}' : '{{ name }}';
  if (text === '') return `"{{ }}" names nothing; expected an expression such as ${example}`;
  if (/^(?:-\s|[$.#/%|])|\|/.test(withoutQuoted(text).replaceAll('||', ''))) {
    return `"{{ ${text} }}" is of another template language; expected an expression in CEL such as ${example}`;
  }
  return undefined;
}

/** @param read a value, or the texts of a list; null: the subject lacks it */
export function renderTemplate(
  template: Template,
  read: (expression: CheckedExpression) => AlertValue | readonly string[],
): string {
  const text = template.map((part) => (typeof part === 'string' ? part : inWords(read(part)))).join('');
  return text.length > MAX_RENDERED_LENGTH ? `${text.slice(0, MAX_RENDERED_LENGTH - 1)}…` : text;
}

export function inWords(value: AlertValue | readonly string[]): string {
  if (value === null) return MISSING;
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : value.join(', ');
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return MISSING;
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1 ? String(Number(value.toFixed(1))) : String(Number(value.toPrecision(3)));
}
