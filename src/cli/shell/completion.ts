/** Completion scripts for bash, zsh and fish, made from the table of commands. */

import { bashScript } from './bash.ts';
import type { CommandSpec } from './command-spec.ts';
import { fishScript } from './fish.ts';
import { zshScript } from './zsh.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, program: CommandSpec): string {
  switch (shell) {
    case 'bash':
      return bashScript(program);
    case 'zsh':
      return zshScript(program);
    case 'fish':
      return fishScript(program);
    default:
      throw shell satisfies never;
  }
}
