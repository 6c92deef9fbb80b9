/** Finding a command by its name. */
import type { PromptCommand } from './command.ts';
import { nearest } from './nearest.ts';

export function findCommand(commands: readonly PromptCommand[], name: string): PromptCommand | undefined {
  return commands.find(({ names }) => names.includes(name));
}

/** What to say to `name`. */
export function unknownCommand(commands: readonly PromptCommand[], name: string): string {
  const meant = nearest(
    name.toLowerCase(),
    commands.flatMap(({ names }) => names),
  );
  return `unknown command "${name}"; ${meant === undefined ? 'type "help"' : `did you mean "${meant}"?`}`;
}
