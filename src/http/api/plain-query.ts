/** The query of a route outside /api, whose errors are plain. */
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { percentDecode, queryOfTarget } from '../sockets/target.ts';
import { inputMistakes } from './endpoint.ts';

/** The parameters as this schema reads them, or what is wrong with them. */
export type PlainQuery<Query> = { readonly query: Query } | { readonly mistake: string };

/** A parameter that is given several times is an array. */
export function plainQuery<Schema extends z.ZodType>(c: Context, schema: Schema): PlainQuery<z.output<Schema>> {
  const text = queryOfTarget(c.req.url);
  if (text.includes('%') && percentDecode(text) === undefined) {
    return { mistake: 'the query must be valid percent-encoded UTF-8' };
  }
  const given = Object.entries(c.req.queries()).map(([name, values]) => [name, values.length > 1 ? values : values[0]]);
  const parsed = schema.safeParse(Object.fromEntries(given));
  return parsed.success ? { query: parsed.data } : { mistake: inputMistakes(parsed.error.issues, 'query').detail };
}
