/**
 * What must outlive the agent: tasks that no connection keeps alive, and ends of tasks that no master knows yet. They are in a file
 * beside the socket with a JSON line each, which whoever has the socket writes. Running tasks of connections are not in it: their programs
 * report them again.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { EndedTask } from '../../model/telemetry.ts';
import type { Report } from '../report.ts';
import { endLine } from './kept-line.ts';
import type { TaskStore } from './task-store.ts';

/** As many tasks and ends as there may be, with room to spare. */
const MAX_BYTES = 16 * 1024 ** 2;
/** Ten thousand tasks are written in some tens of milliseconds. */
const SAVE_EVERY_MS = 2_000;
/** The same after an end, which nobody tells again: at once, and then as often as takes a tenth of a thread at most. */
const SAVE_ENDS_EVERY_MS = 250;

/** Ends that the agent has yet to tell a master. */
export interface UntoldEnds {
  /** Of tasks of the hub. */
  readonly ownWaiting: readonly EndedTask[];
  /** Grows with each change of them. */
  readonly ownChanges: number;
}

export interface KeptTasksOptions {
  /** Of the socket. */
  readonly socket: string;
  readonly tasks: TaskStore;
  readonly untold: UntoldEnds;
  /** Whether the socket, and with it the file, is still this agent's. */
  readonly isOurs: () => Promise<boolean>;
  readonly clock: Clock;
  readonly report: Report;
}

export class KeptTasks {
  readonly #options: KeptTasksOptions;
  readonly #path: string;
  /** The {@link #changes} that the file has. */
  #saved = -1;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saving: Promise<void> = Promise.resolve();
  #isSaving = false;
  /** What the file has is known: it may be written over. */
  #isLoaded = false;
  #isFailing = false;
  #hasEnd = false;
  #timer: Timer | undefined;

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
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#saved = 0;
      else report('warn', `the tasks of before the restart are not known: ${this.#path}: ${messageOf(error)}`);
    } finally {
      this.#isLoaded = true;
      this.#saveEnd();
    }
  }

  /** Writes what has changed, if it is time. */
  saveSoon(): void {
    if (this.#hasChanged() && this.#dueInMs(SAVE_EVERY_MS) <= 0) this.#start();
  }

  /** A task has ended: that is written at once, or in a moment. */
  ended(): void {
    this.#hasEnd = true;
    this.#saveEnd();
  }

  /** The file is gone, or may be. */
  lost(): void {
    this.#saved = -1;
  }

  /** Writes nothing any more unless {@link saveNow} is called. */
  stop(): void {
    this.#hasEnd = false;
    this.#timer?.cancel();
  }

  /** Writes what has changed. Never rejects. */
  async saveNow(): Promise<void> {
    this.stop();
    await this.#saving;
    if (this.#isLoaded && this.#hasChanged()) await this.#save();
  }

  get #changes(): number {
    const { tasks, untold } = this.#options;
    return tasks.changes + untold.ownChanges;
  }

  #hasChanged(): boolean {
    return this.#changes !== this.#saved;
  }

  #dueInMs(everyMs: number): number {
    return this.#savedAtMs + everyMs - this.#options.clock.monotonicMs();
  }

  #saveEnd(): void {
    if (!this.#hasEnd || this.#isSaving || !this.#isLoaded) return;
    const waitMs = this.#dueInMs(SAVE_ENDS_EVERY_MS);
    if (waitMs <= 0) {
      this.#start();
      return;
    }
    this.#timer ??= this.#options.clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#saveEnd();
    });
  }

  #start(): void {
    if (!this.#isSaving && this.#isLoaded) this.#saving = this.#save();
  }

  async #save(): Promise<void> {
    const { tasks, untold, clock, isOurs, report } = this.#options;
    this.#isSaving = true;
    this.#hasEnd = false;
    this.#savedAtMs = clock.monotonicMs();
    try {
      if (!(await isOurs())) return;
      this.#saved = this.#changes;
      const lines = [...tasks.keptLines(), ...untold.ownWaiting.map(endLine)];
      if (lines.length === 0) await rm(this.#path, { force: true });
      else await replaceFile(this.#path, lines, { mode: 0o600 });
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) report('warn', `tasks will not outlive this agent: ${this.#path}: ${messageOf(error)}`);
      this.#isFailing = true;
    } finally {
      this.#isSaving = false;
      this.#saveEnd();
    }
  }
}
