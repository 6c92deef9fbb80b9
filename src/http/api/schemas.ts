/** Schemas of answers that several routes share. */
import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { problemType } from '../answers/problem.ts';

/** RFC 9457. */
export const Problem = z
  .object({
    type: z
      .enum(Object.keys(ERRORS).map((code) => problemType(code as ErrorCode)))
      .openapi({ description: `The stable identifier of the error:\n\n${errorTable()}` }),
    title: z.string().openapi({ description: 'A short text, the same for every occurrence.' }),
    status: z.int(),
    detail: z.string().openapi({ description: 'For people: what was wrong, where, and what was expected.' }),
    instance: z.string().openapi({ description: 'The requested path.' }),
    errors: z
      .array(
        z.object({
          in: z.string(),
          name: z.string(),
          detail: z.string(),
          line: z.int().optional(),
          column: z.int().optional(),
        }),
      )
      .optional()
      .openapi({ description: 'The wrong parts of the input, each with the reason.' }),
  })
  .openapi('Problem');

/** The result of a command, for people. */
export const Message = z.object({ message: z.string() }).openapi('Message');

/** A time by the master's clock, unless the description says otherwise. */
export function moment(description: string) {
  return z.iso.datetime().openapi({ description });
}

/** All errors as a list, for readers of the document itself. */
function errorTable(): string {
  return Object.entries(ERRORS)
    .map(
      ([code, { httpStatus, grpcStatus, meaning }]) => `- \`${code}\` (${httpStatus}, gRPC ${grpcStatus}): ${meaning}`,
    )
    .join('\n');
}

/** A JSON answer of a route. @param example for the docs page; it must fit the schema */
export function jsonAnswer<S extends z.ZodType>(description: string, schema: S, example?: z.input<S>) {
  return { description, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** Headers of an answer with a tag. */
export const Tagged = z.object({ ETag: z.string() });
export const NOT_MODIFIED = { description: 'The client already has this answer: its If-None-Match names the tag.' };

/** A route's own problems, by status; problems that any route may have are added to all. */
export function problemAnswers(...codes: readonly ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { httpStatus } = ERRORS[code];
    byStatus.set(httpStatus, [...(byStatus.get(httpStatus) ?? []), code]);
  }
  return Object.fromEntries(
    Array.from(byStatus, ([status, sharing]) => [
      status,
      {
        description: sharing.map((code) => ERRORS[code].meaning).join(' Or: '),
        content: { 'application/problem+json': { schema: Problem } },
      },
    ]),
  );
}
