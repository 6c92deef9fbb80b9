/** Routes that send a command to the main thread. */
import type { ErrorCode } from '../../lib/errors.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import type { AppContext, HttpContext } from '../context.ts';
import type { Command } from '../messages.ts';
import { jsonAnswer, Message, problemAnswers } from './schemas.ts';

/** Sends the command to main and answers with its reply. */
export async function carryOut(c: HttpContext, { command, refusals }: AppContext, asked: Command): Promise<Response> {
  const reply = await command(asked);
  if (reply.reason !== undefined) refusals.count(reply.reason);
  return reply.ok ? sendJson(c, 200, { message: reply.message }) : problem(c, reply.code, reply.message);
}

/** The answers of a command route, with its own problems. */
export function commandAnswers(example: string, ...problems: readonly ErrorCode[]) {
  return { 200: jsonAnswer('Done.', Message, { message: example }), ...problemAnswers(...problems) };
}
