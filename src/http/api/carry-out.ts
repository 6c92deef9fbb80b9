/** Routes that have main do something. */
import type { ErrorCode } from '../../lib/errors.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import type { AppContext, HttpContext } from '../context.ts';
import type { Command } from '../messages.ts';
import { jsonAnswer, Message, problemAnswers } from './schemas.ts';

/** Has main do it, and answers with what it says. */
export async function carryOut(c: HttpContext, { command, refusals }: AppContext, asked: Command): Promise<Response> {
  const reply = await command(asked);
  if (reply.reason !== undefined) refusals.count(reply.reason);
  return reply.ok ? sendJson(c, 200, { message: reply.message }) : problem(c, reply.code, reply.message);
}

/** What a command answers, beside the problems that are its own. */
export function commandAnswers(example: string, ...problems: readonly ErrorCode[]) {
  return { 200: jsonAnswer('It is done.', Message, { message: example }), ...problemAnswers(...problems) };
}
