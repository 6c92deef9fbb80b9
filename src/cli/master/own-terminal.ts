/** How this process stands to its terminal, as Linux tells it in `/proc/self/stat`. */
import { readFileSync } from 'node:fs';

/** What is known; undefined where there is no /proc. */
export function ownStat(): string | undefined {
  try {
    return readFileSync('/proc/self/stat', 'utf8');
  } catch {
    return undefined;
  }
}

interface TerminalFacts {
  readonly group: number;
  readonly session: number;
  /** The group that may read from the terminal; -1 without a terminal. */
  readonly foregroundGroup: number;
}

function factsOf(stat: string | undefined): TerminalFacts | undefined {
  // The name of the program, in parentheses, may hold spaces and parentheses itself.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const [group, session, , foregroundGroup] = fields.slice(2, 6).map(Number);
  return group === undefined || session === undefined || foregroundGroup === undefined
    ? undefined
    : { group, session, foregroundGroup };
}

/**
 * Whether the terminal was opened for this process alone, and no shell started it there. A shell with job control gives
 * each command a process group of its own. Where the session's leader is in our group, there is no such shell: the
 * terminal runs this command alone, as with `docker run -it`, `ssh -t host pulselane master`, `xterm -e` or
 * `tmux new-window 'pulselane master'`, also where `npm` or `sh -c` stand in between.
 * @param stat as of {@link ownStat}; if nothing is known, a shell is assumed
 */
export function isOwnTerminal(stat: string | undefined): boolean {
  const facts = factsOf(stat);
  return facts !== undefined && facts.group === facts.session;
}

/**
 * Whether a shell runs it in the background (`pulselane master &`). The system stops a process that reads keys there.
 * @param stat as of {@link ownStat}; if nothing is known, it is assumed not to be
 */
export function isInBackground(stat: string | undefined): boolean {
  const facts = factsOf(stat);
  return facts !== undefined && facts.foregroundGroup > 0 && facts.foregroundGroup !== facts.group;
}
