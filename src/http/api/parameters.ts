/** Zod schemas of request parameters and bodies, with messages that say what was expected. */
import { z } from '@hono/zod-openapi';
import { shortText } from '../../lib/foreign-text.ts';

const ONCE = { error: 'given more than once' };

/** A query with exactly these parameters: a misspelt one is refused, not ignored. */
export function query<S extends z.ZodRawShape>(shape: S) {
  const message = noSuchParameter(Object.keys(shape));
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? message : undefined),
  });
}

/** @param names the known parameters */
export function noSuchParameter(names: readonly string[]): string {
  if (names.length === 0) return 'unknown query parameter; this path takes none';
  return `unknown query parameter; expected ${names.length === 1 ? '' : 'one of '}${names.join(', ')}`;
}

/** A JSON body with exactly these members. */
export function body<S extends z.ZodRawShape>(shape: S) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code, input }) =>
      code === 'unrecognized_keys'
        ? `unknown member; expected only ${names}`
        : `expected a JSON object with ${names}, got ${shown(input)}`,
  });
}

/** A member of a body with one of these words as its value. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  const expected = `expected one of ${words.join(', ')}`;
  return z.enum(words, {
    error: ({ input }) => (input === undefined ? `missing; ${expected}` : `${expected}, got ${shown(input)}`),
  });
}

/** Long enough to recognise a value in an error. */
const MAX_SHOWN_UNITS = 40;

/** A JSON value as an error shows it. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return shortText(JSON.stringify(value) ?? 'nothing', MAX_SHOWN_UNITS);
}

export function textParameter(description: string, example: string) {
  return z.string(ONCE).openapi({ description, example });
}

interface WholeNumber {
  readonly description: string;
  readonly min: number;
  readonly max: number;
  /** Used if the parameter is omitted. */
  readonly default?: number;
  readonly example?: number;
}

/** Only digits: no sign, blanks or exponent. */
export function wholeNumber({ description, min, max, ...facts }: WholeNumber) {
  const expected =
    max === Number.MAX_SAFE_INTEGER
      ? `expected a whole number, at least ${min}`
      : `expected a whole number from ${min} to ${max}`;
  return z
    .string(ONCE)
    .transform((value, context) => {
      const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    })
    .openapi({ type: 'integer', minimum: min, maximum: max, description, ...facts });
}

/** The path of one worker. `workerIdIn` decodes the id, because what frameworks decode is unreliable. */
export const WorkerPath = z.object({
  id: z.string().openapi({
    param: { name: 'id', in: 'path' },
    description: 'The worker id, percent-encoded: `a/b` is `a%2Fb`.',
    example: 'worker-1',
  }),
});

/** Parameters with variable names. OpenAPI describes them as one object, with a member for each parameter. */
function named(name: string, pattern: string, value: { readonly type: 'string' | 'number' }, description: string) {
  return {
    name,
    in: 'query' as const,
    description,
    style: 'form' as const,
    explode: true,
    schema: { type: 'object' as const, patternProperties: { [pattern]: value }, additionalProperties: false },
  };
}

/** For every route with worker filters. */
export const FILTER_PARAMETERS = [
  named('label.*', '^label\\..+$', { type: 'string' }, 'The worker has this label with this value: `label.zone=a`.'),
  named(
    'min.*',
    '^min\\..+$',
    { type: 'number' },
    'The value is at least this: `min.cpu_usage=90`, `min.metrics.frames=24`.',
  ),
  named('max.*', '^max\\..+$', { type: 'number' }, 'The value is at most this.'),
];
