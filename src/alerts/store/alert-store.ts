/**
 * The file of alerts, `alerts.db` in the data directory: what must outlive the thread and the master, also with HISTORY=off.
 *
 * | state   | entered when                                | `write`                                                     |
 * |---------|---------------------------------------------|-------------------------------------------------------------|
 * | closed  | created, or the file could not be used      | fails; `open` is tried again before the next evaluation     |
 * | open    | `open` succeeded                            | commits, or fails: the same, and nothing of it is stored    |
 *
 * A damaged file is set aside, and a new one takes its place: the caller stores everything again (`isNew`). One of a newer version
 * stays as it is.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { moveAside } from '../../lib/damaged-file.ts';
import { messageOf } from '../../lib/errors.ts';
import { Connection } from './connection.ts';
import { migrate } from './migrations.ts';
import { type StoreError, storeError } from './store-error.ts';

export interface AlertStoreOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Something was lost: one line for the log. */
  readonly onLoss: (message: string) => void;
}

export class AlertStore {
  readonly #options: AlertStoreOptions;
  #connection: Connection | undefined;
  #problem: StoreError | undefined;
  #problemSinceUnixMs = 0;
  #isDamaged = false;

  constructor(options: AlertStoreOptions) {
    this.#options = options;
  }

  /** Why nothing is stored at present; undefined: everything is. */
  get problem(): { readonly detail: string; readonly sinceUnixMs: number } | undefined {
    return this.#problem && { detail: this.#problem.message, sinceUnixMs: this.#problemSinceUnixMs };
  }

  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /**
   * Opens the file if it is not open, or is no longer there. Never rejects: see `problem`.
   * @returns whether it was opened now and has what was stored before (`kept`) or nothing (`empty`)
   */
  async open(): Promise<'kept' | 'empty' | undefined> {
    const { path, onLoss } = this.#options;
    if (this.#connection !== undefined) {
      if (existsSync(path)) return undefined;
      onLoss(`${path} was removed: it is written again`);
      this.close();
    }
    try {
      if (this.#isDamaged) await this.#setAside();
      return this.#opened();
    } catch (error) {
      const failure = storeError(error, `open ${path}`);
      if (failure.kind !== 'damaged') {
        this.#fails(failure);
        return undefined;
      }
    }
    try {
      await this.#setAside();
      return this.#opened();
    } catch (error) {
      this.#fails(storeError(error, `open ${path}`));
      return undefined;
    }
  }

  /** @throws StoreError if it cannot be read: nothing of it was */
  read<T>(work: (connection: Connection) => T): T {
    const connection = this.#connection;
    if (connection === undefined) throw new Error('the file of alerts is not open');
    try {
      return connection.transaction(() => work(connection));
    } catch (error) {
      throw this.#fails(storeError(error, `read ${this.#options.path}`));
    }
  }

  /** Commits what `work` does, or nothing of it. @returns whether it did; `problem` says why not */
  write(work: (connection: Connection) => void): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    try {
      connection.transaction(() => work(connection));
    } catch (error) {
      this.#fails(storeError(error, `write ${this.#options.path}`));
      return false;
    }
    this.#problem = undefined;
    return true;
  }

  close(): void {
    try {
      this.#connection?.close();
    } catch (error) {
      this.#options.onLoss(`cannot close ${this.#options.path}: ${messageOf(error)}`);
    }
    this.#connection = undefined;
  }

  #opened(): 'kept' | 'empty' {
    const { path } = this.#options;
    const isThere = existsSync(path);
    const connection = new Connection(path);
    try {
      migrate(connection, path);
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#isDamaged = false;
    return isThere ? 'kept' : 'empty';
  }

  /** The log goes too: SQLite would write its pages into the new file. */
  async #setAside(): Promise<void> {
    const { path, clock, onLoss } = this.#options;
    const wallMs = clock.wallMs();
    // One time for both names.
    const then: Clock = { ...clock, wallMs: () => wallMs };
    if (existsSync(`${path}-wal`)) await moveAside(`${path}-wal`, then);
    await rm(`${path}-shm`, { force: true });
    if (existsSync(path))
      onLoss(`${path} is damaged: it is kept as ${await moveAside(path, then)}, and a new one begins`);
    this.#isDamaged = false;
  }

  /** A connection after an error is not used again: its pages may be wrong. */
  #fails(error: StoreError): StoreError {
    if (this.#problem === undefined) this.#problemSinceUnixMs = this.#options.clock.wallMs();
    this.#problem = error;
    if (error.kind === 'damaged') this.#isDamaged = true;
    this.close();
    return error;
  }
}
