/** Schemas that several routes share: what answers look like, for the OpenAPI document. */
import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { problemType } from '../answers/problem.ts';

/** RFC 9457. */
export const Problem = z
  .object({
    type: z
      .enum(Object.keys(ERRORS).map((code) => problemType(code as ErrorCode)))
      .openapi({ description: `A stable name of the error:\n\n${errorTable()}` }),
    title: z.string().openapi({ description: 'The same for every occurrence.' }),
    status: z.int(),
    detail: z.string().openapi({ description: 'For people: what was wrong, where, what was expected.' }),
    instance: z.string().openapi({ description: 'The path that was asked for.' }),
    errors: z
      .array(z.object({ in: z.string(), name: z.string(), detail: z.string() }))
      .optional()
      .openapi({ description: 'Which parts of the input are wrong, and why.' }),
  })
  .openapi('Problem');

/** What was done, for people. */
export const Message = z.object({ message: z.string() }).openapi('Message');

/** A moment by the master's clock, or by that of which the description says so. */
export function moment(description: string) {
  return z.iso.datetime().openapi({ description });
}

/** All errors as a list, for those who read the document itself. */
function errorTable(): string {
  return Object.entries(ERRORS)
    .map(
      ([code, { httpStatus, grpcStatus, meaning }]) => `- \`${code}\` (${httpStatus}, gRPC ${grpcStatus}): ${meaning}`,
    )
    .join('\n');
}

/** One answer of a route in JSON. @param example for the docs page; the schema must take it */
export function jsonAnswer<S extends z.ZodType>(description: string, schema: S, example?: z.input<S>) {
  return { description, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** Of a route whose answers carry a tag. */
export const Tagged = z.object({ ETag: z.string() });
export const NOT_MODIFIED = { description: 'The client has it already: If-None-Match names its tag.' };

/** The problems that a route has of its own, by status; those that any route may have are added for all. */
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
