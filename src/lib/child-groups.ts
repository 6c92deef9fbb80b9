/**
 * Process groups that were started here and must not outlive whoever started them. What has stopped without ending them,
 * a thread that died or a process that exits, cannot do it any more: so whoever starts a group in a thread tells the main
 * thread of it, which keeps a list of its own.
 */
export class ChildGroups {
  readonly #leaders = new Set<number>();
  readonly #onChange: (leaders: readonly number[]) => void;
  #isOver = false;

  /** @param onChange the groups that run now, by the ids of their first processes */
  constructor(onChange: (leaders: readonly number[]) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** A group runs. After {@link endAll} it is ended at once. */
  add(leader: number): void {
    if (this.#isOver) {
      endGroup(leader);
      return;
    }
    this.#leaders.add(leader);
    this.#changed();
  }

  /** It has ended, or was told to: its id may be another's from now on. */
  delete(leader: number): void {
    if (this.#leaders.delete(leader)) this.#changed();
  }

  /** In place of all that are known. */
  replace(leaders: readonly number[]): void {
    this.#leaders.clear();
    for (const leader of leaders) this.#leaders.add(leader);
    this.#changed();
  }

  /** Ends those that run. */
  endRunning(): void {
    for (const leader of this.#leaders) endGroup(leader);
    this.replace([]);
  }

  /** Ends those that run, and each that is added later. */
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

/** Those with groups that run. */
const running = new Set<ChildGroups>();
let isWatching = false;

function watch(groups: ChildGroups): void {
  running.add(groups);
  if (isWatching) return;
  isWatching = true;
  process.on('exit', endChildGroups);
}

/** Ends all groups that run. For an end of the process that calls no listener of `exit`. */
export function endChildGroups(): void {
  for (const groups of running) groups.endRunning();
}

/** Ends a process and all that it started, if it leads a group. */
export function endGroup(leader: number): void {
  try {
    process.kill(process.platform === 'win32' ? leader : -leader, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
