/** The table of the prompt's commands, in the order of `help`. */
import type { PromptCommand } from './command.ts';
import { alerts } from './commands/alerts.ts';
import { approve } from './commands/approve.ts';
import { brake } from './commands/brake.ts';
import { events } from './commands/events.ts';
import { exit, exitNow } from './commands/exit.ts';
import { help } from './commands/help.ts';
import { internalState } from './commands/internal-state.ts';
import { isolate } from './commands/isolate.ts';
import { register } from './commands/register.ts';
import { release } from './commands/release.ts';
import { silence } from './commands/silence.ts';
import { stats } from './commands/stats.ts';
import { status } from './commands/status.ts';
import { unregister } from './commands/unregister.ts';
import { workers } from './commands/workers.ts';

export const PROMPT_COMMANDS: readonly PromptCommand[] = [
  help,
  workers,
  status,
  stats,
  register,
  unregister,
  approve,
  release,
  isolate,
  events,
  alerts,
  silence,
  brake,
  internalState,
  exit,
  exitNow,
];
