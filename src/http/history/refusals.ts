/** Answers of routes of history that are no results. */
import { QueryProblem } from '../../history/query/problem.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import { problem, problemOf } from '../answers/problem.ts';
import type { HttpContext, HttpEnv } from '../context.ts';
import type { HistoryAnswer, Refused } from './tasks.ts';

/** History is off. */
export function historyIsOff(c: HttpContext): Response {
  return problem(c, 'failed_precondition', 'history is off (HISTORY=off): the master keeps nothing of the past');
}

export function isRefused(answer: HistoryAnswer): answer is Refused {
  return 'refused' in answer;
}

/** @param where the parameter was given */
export function refusal(c: HttpContext, { refused }: Refused, where: 'query' | 'json' = 'query'): Response {
  return named(c, refused.code, refused.message, refused.parameter, where);
}

/** @throws any other error than those of a query */
export function problemOfQuery(c: HttpContext, error: unknown, where: 'query' | 'json' = 'query'): Response {
  if (error instanceof QueryProblem) return named(c, error.code, error.message, error.parameter, where);
  return problemOf(c, error);
}

function named(
  c: HttpContext,
  code: ErrorCode,
  detail: string,
  name: string | undefined,
  where: 'query' | 'json',
): Response {
  if (name === undefined) return problem(c, code, detail);
  const errors = [{ in: name === 'id' ? 'path' : where, name, detail }];
  return problem(c, code, code === 'invalid_argument' ? `${name}: ${detail}` : detail, { errors });
}

/** Aborted when the client goes before it has its answer. */
export function signalOf(c: HttpContext): AbortSignal {
  const outgoing = (c.env as HttpEnv['Bindings'] | undefined)?.outgoing;
  // A request of the master's own, for a tool of /mcp.
  if (outgoing === undefined) return c.req.raw.signal;
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  return gone.signal;
}
