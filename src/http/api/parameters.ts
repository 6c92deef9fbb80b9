/** Parameters of requests, by zod, with messages that say what was expected. */
import { z } from '@hono/zod-openapi';

const ONCE = { error: 'given more than once' };

/** A query that has these parameters and no others: a misspelt one is refused, and not left out in silence. */
export function query<S extends z.ZodRawShape>(shape: S) {
  const message = noSuchParameter(Object.keys(shape));
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? message : undefined),
  });
}

/** @param names of those that there are */
export function noSuchParameter(names: readonly string[]): string {
  if (names.length === 0) return 'there is no such parameter; this path takes none';
  return `there is no such parameter; ${names.length === 1 ? 'the only one is' : 'there are'} ${names.join(', ')}`;
}

export function textParameter(description: string, example: string) {
  return z.string(ONCE).openapi({ description, example });
}

interface WholeNumber {
  readonly description: string;
  readonly min: number;
  readonly max: number;
  /** What is taken without it. */
  readonly default?: number;
  readonly example?: number;
}

/** Digits alone: no sign, no blanks, no exponent. */
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

/** The path of one worker. Its id is taken by `workerIdIn`, since what frameworks decode is not to be relied on. */
export const WorkerPath = z.object({
  id: z.string().openapi({
    param: { name: 'id', in: 'path' },
    description: 'The worker’s id, percent-encoded: `a/b` is `a%2Fb`.',
    example: 'worker-1',
  }),
});

/** Parameters whose names are not fixed, as OpenAPI has them: one object, of which each member is a parameter. */
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

/** Of every route that shows some of the workers. */
export const FILTER_PARAMETERS = [
  named('label.*', '^label\\..+$', { type: 'string' }, 'The label of that name has this value: `label.zone=a`.'),
  named(
    'min.*',
    '^min\\..+$',
    { type: 'number' },
    'That number is not less: `min.cpu_usage=90`, `min.metrics.frames=24`.',
  ),
  named('max.*', '^max\\..+$', { type: 'number' }, 'That number is not more.'),
];
