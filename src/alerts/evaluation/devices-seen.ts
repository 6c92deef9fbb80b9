/**
 * How many devices workers have had: what is missing now was there before. It outlives the thread in the file of alerts, because an alert
 * about a lost device must not end with a restart.
 */

export interface SeenDevices {
  /** Most that a heartbeat has listed, or that it registered with. */
  readonly most: number;
  /** A heartbeat has listed some: if one lists none, they are gone. A worker that never lists any is one whose agent does not. */
  readonly hasListed: boolean;
}

export class DevicesSeen {
  /** By worker. */
  readonly #seen = new Map<string, SeenDevices>();
  readonly #unsaved = new Set<string>();
  /** Until the first look at all workers: those that were stored and have not come back. */
  #mayHaveStale = false;

  of(workerId: string): SeenDevices | undefined {
    return this.#seen.get(workerId);
  }

  /** @returns the most so far; 0: it has had none */
  see(workerId: string, listed: number, registered: number): number {
    const before = this.#seen.get(workerId);
    const most = Math.max(listed, registered, before?.most ?? 0);
    const hasListed = listed > 0 || before?.hasListed === true;
    if (most === 0 || (before?.most === most && before.hasListed === hasListed)) return most;
    this.#seen.set(workerId, { most, hasListed });
    this.#unsaved.add(workerId);
    return most;
  }

  /** The worker was removed. */
  forget(workerId: string): void {
    if (this.#seen.delete(workerId)) this.#unsaved.add(workerId);
  }

  /** What an earlier thread has stored. What this one knows already is newer. */
  load(stored: Iterable<readonly [workerId: string, seen: SeenDevices]>): void {
    for (const [workerId, { most, hasListed }] of stored) {
      const known = this.#seen.get(workerId);
      this.#seen.set(workerId, {
        most: Math.max(most, known?.most ?? 0),
        hasListed: hasListed || known?.hasListed === true,
      });
    }
    this.#mayHaveStale = true;
  }

  /** Once all workers are known again: forgets those that were stored and are no longer there. */
  keepOnly(isThere: (workerId: string) => boolean): void {
    if (!this.#mayHaveStale) return;
    this.#mayHaveStale = false;
    for (const workerId of this.#seen.keys()) if (!isThere(workerId)) this.forget(workerId);
  }

  /** Workers whose entry is not stored as it is; `of` says undefined for one that is to be removed. */
  get unsaved(): ReadonlySet<string> {
    return this.#unsaved;
  }

  /** After the transaction with the unsaved ones. */
  saved(): void {
    this.#unsaved.clear();
  }

  /** The file is new: nothing is stored. */
  loseFile(): void {
    for (const workerId of this.#seen.keys()) this.#unsaved.add(workerId);
  }
}
