/**
 * Tasks that no connection keeps alive, across a restart of the agent: a file beside the socket with a JSON line per task, which
 * whoever has the socket writes. Tasks of connections are not in it: their programs report them again.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { Report } from '../report.ts';
import type { TaskStore } from './task-store.ts';

/** As many tasks as there may be, with room to spare. */
const MAX_BYTES = 16 * 1024 ** 2;
/** Ten thousand tasks are written in some tens of milliseconds. */
const SAVE_EVERY_MS = 2_000;

export interface KeptTasksOptions {
  /** Of the socket. */
  readonly socket: string;
  readonly tasks: TaskStore;
  readonly clock: Clock;
  readonly report: Report;
}

export class KeptTasks {
  readonly #options: KeptTasksOptions;
  readonly #path: string;
  #saved = 0;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saving: Promise<void> = Promise.resolve();
  #isSaving = false;
  #isFailing = false;

  constructor(options: KeptTasksOptions) {
    this.#options = options;
    this.#path = `${options.socket}.tasks`;
  }

  /** Never rejects: what cannot be read is told, and left out. */
  async load(): Promise<void> {
    const { tasks, report } = this.#options;
    try {
      const { size } = await stat(this.#path);
      if (size > MAX_BYTES) throw new Error(`it has ${size} bytes; expected at most ${MAX_BYTES}`);
      const lines = (await readFile(this.#path, 'utf8')).split('\n').filter((line) => line !== '');
      const unreadable = lines.filter((line) => !tasks.restore(line)).length;
      if (unreadable > 0)
        report('warn', `${this.#path}: ${unreadable} of ${lines.length} tasks cannot be read and are left out`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      report('warn', `the tasks of before the restart are not known: ${this.#path}: ${messageOf(error)}`);
    }
  }

  /** Writes what has changed, if it is time. */
  saveSoon(): void {
    const { clock, tasks } = this.#options;
    if (this.#isSaving || tasks.changes === this.#saved || clock.monotonicMs() - this.#savedAtMs < SAVE_EVERY_MS)
      return;
    this.#saving = this.#save();
  }

  /** Writes what has changed. Never rejects. */
  async saveNow(): Promise<void> {
    await this.#saving;
    if (this.#options.tasks.changes !== this.#saved) await this.#save();
  }

  async #save(): Promise<void> {
    const { tasks, clock, report } = this.#options;
    this.#isSaving = true;
    this.#savedAtMs = clock.monotonicMs();
    this.#saved = tasks.changes;
    try {
      const lines = tasks.keptLines();
      if (lines.length === 0) await rm(this.#path, { force: true });
      else await replaceFile(this.#path, lines, { mode: 0o600 });
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        report('warn', `tasks that were started will not outlive this agent: ${this.#path}: ${messageOf(error)}`);
      this.#isFailing = true;
    } finally {
      this.#isSaving = false;
    }
  }
}
