/**
 * What workers registered with, as the announcements say: also of those that have just gone, since the event that tells it comes
 * after its slot has gone.
 */
import type { WorkerFacts } from '../../model/worker-facts.ts';
import type { Announcement } from '../../reading/directory.ts';

export class KnownFacts {
  /** The same objects as in the directory. */
  readonly #facts = new Map<string, WorkerFacts>();
  /** Gone since the last call of `forget`, and before it. */
  #gone = new Set<string>();
  #goneBefore = new Set<string>();

  of(workerId: string): WorkerFacts | undefined {
    return this.#facts.get(workerId);
  }

  apply(announcement: Announcement): void {
    switch (announcement.type) {
      case 'slotAdded':
        this.#facts.delete(announcement.workerId);
        this.#stays(announcement.workerId);
        return;
      case 'workerFacts':
        this.#facts.set(announcement.workerId, announcement.facts);
        this.#stays(announcement.workerId);
        return;
      case 'slotGone':
        this.#gone.add(announcement.workerId);
        return;
      default:
    }
  }

  /** Forgets workers that had gone when it was last called. */
  forget(): void {
    for (const workerId of this.#goneBefore) this.#facts.delete(workerId);
    this.#goneBefore = this.#gone;
    this.#gone = new Set();
  }

  #stays(workerId: string): void {
    this.#gone.delete(workerId);
    this.#goneBefore.delete(workerId);
  }
}
