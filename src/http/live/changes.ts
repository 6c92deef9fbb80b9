/** Sees which workers changed since the last look, by comparing a few words of shared memory. */
import type { Directory, WorkerEntry } from '../../store/directory.ts';

interface Seen {
  entry: WorkerEntry;
  /** Records written so far: the generation moves twice for each. */
  writes: number;
  isActive: boolean;
  lastUpdateS: number;
  /** The look in which the worker was last there. */
  look: number;
}

export class ChangeWatcher {
  readonly #directory: Directory;
  readonly #seen = new Map<string, Seen>();
  #look = 0;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /**
   * The workers whose record or judgement is not what the last look saw; at the first look all. What changes after its
   * turn in this look is found by the next.
   */
  changed(): WorkerEntry[] {
    this.#look++;
    const changed: WorkerEntry[] = [];
    let workers = 0;
    for (const entry of this.#directory.all()) {
      workers++;
      if (this.#see(entry)) changed.push(entry);
    }
    if (this.#seen.size !== workers) this.#forgetAbsent();
    return changed;
  }

  /** How many workers are remembered from the last look. */
  get remembered(): number {
    return this.#seen.size;
  }

  /** Forgets everything: the next look is a first one. */
  reset(): void {
    this.#seen.clear();
  }

  #see(entry: WorkerEntry): boolean {
    const { board } = this.#directory;
    const writes = entry.slot.writes;
    const isActive = board.isActive(entry.row);
    const lastUpdateS = board.lastUpdateS(entry.row);
    const seen = this.#seen.get(entry.workerId);
    if (seen === undefined) {
      this.#seen.set(entry.workerId, { entry, writes, isActive, lastUpdateS, look: this.#look });
      return true;
    }
    seen.look = this.#look;
    // Another entry is another slot: the worker grew, or was forgotten and came back.
    if (
      seen.entry === entry &&
      seen.writes === writes &&
      seen.isActive === isActive &&
      seen.lastUpdateS === lastUpdateS
    ) {
      return false;
    }
    seen.entry = entry;
    seen.writes = writes;
    seen.isActive = isActive;
    seen.lastUpdateS = lastUpdateS;
    return true;
  }

  #forgetAbsent(): void {
    for (const [workerId, seen] of this.#seen) if (seen.look !== this.#look) this.#seen.delete(workerId);
  }
}
