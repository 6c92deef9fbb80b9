/** A typed line, run: the text to print comes back, also when something is wrong. */
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import { type PromptContext, UsageError } from './command.ts';
import { findCommand, unknownCommand } from './registry.ts';
import { splitWords } from './words.ts';

/** Never rejects. @returns what to print, undefined if there is nothing to say */
export async function dispatch(line: string, context: PromptContext, logger: Logger): Promise<string | undefined> {
  try {
    return await run(line, context);
  } catch (error) {
    if (error instanceof PulselaneError) return error.message;
    logger.debug({ err: error, line }, 'a command failed');
    return `internal error: ${messageOf(error)} (LOG_LEVEL=debug shows more)`;
  }
}

async function run(line: string, context: PromptContext): Promise<string | undefined> {
  const [name, ...args] = splitWords(line);
  if (name === undefined) return undefined;
  const command = findCommand(context.commands, name);
  if (command === undefined) return unknownCommand(context.commands, name);
  try {
    return await command.run(args, context);
  } catch (error) {
    if (error instanceof UsageError) return `usage: ${command.usage}`;
    throw error;
  }
}
