/**
 * Child process groups that must not outlive the process that started them. A thread that died, or a process that
 * exits, can no longer end them itself, so a thread that starts a group reports it to the main thread, which keeps its
 * own list.
 */
export class ChildGroups {
  readonly #leaders = new Set<number>();
  readonly #onChange: (leaders: readonly number[]) => void;
  #isOver = false;

  /** @param onChange called with the ids of the leaders of all running groups */
  constructor(onChange: (leaders: readonly number[]) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Adds a running group. After {@link endAll} it is ended at once. */
  add(leader: number): void {
    if (this.#isOver) {
      endGroup(leader);
      return;
    }
    this.#leaders.add(leader);
    this.#changed();
  }

  /** The group has ended, or was told to: its id may be reused from now on. */
  delete(leader: number): void {
    if (this.#leaders.delete(leader)) this.#changed();
  }

  /** Replaces the list. */
  replace(leaders: readonly number[]): void {
    this.#leaders.clear();
    for (const leader of leaders) this.#leaders.add(leader);
    this.#changed();
  }

  /** Ends the running groups. */
  endRunning(): void {
    for (const leader of this.#leaders) endGroup(leader);
    this.replace([]);
  }

  /** Ends the running groups, and each one added later. */
  endAll(): void {
    this.#isOver = true;
    this.endRunning();
  }

  #changed(): void {
    if (this.#leaders.size > 0) watch(this);
    else running.delete(this);
    this.#onChange([...this.#leaders]);
  }
}

/** Instances with running groups. */
const running = new Set<ChildGroups>();
let isWatching = false;

function watch(groups: ChildGroups): void {
  running.add(groups);
  if (isWatching) return;
  isWatching = true;
  process.on('exit', endChildGroups);
}

/** Ends all running groups. For process ends that call no `exit` listener. */
export function endChildGroups(): void {
  for (const groups of running) groups.endRunning();
}

/** Ends a process and, if it leads a group, all processes of the group. */
export function endGroup(leader: number): void {
  try {
    process.kill(process.platform === 'win32' ? leader : -leader, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
