/** What a master keeps on disk, as a whole: the lock of the directory, and the files that are nobody else's while it is held. */
import { MembersFile } from '../engine/persistence/members-file.ts';
import { ValuesFile } from '../engine/persistence/values-file.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { Clock } from '../lib/clock.ts';
import { lockDirectory } from '../lib/directory-lock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { Lifecycle } from './lifecycle.ts';
import { makeDataDirectory } from './make-data-directory.ts';
import { keepSessionKey } from './session-key.ts';

export interface DataDirectoryOptions {
  readonly dataDir: string;
  readonly manager: TelemetryManager;
  /** Told when it can no longer be written, and when it can again. */
  readonly onFailing: (fails: boolean) => void;
  /** Another master has taken it over. */
  readonly onLost: (error: PulselaneError) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DataDirectory {
  readonly members: MembersFile;
  readonly values: ValuesFile;
  readonly #options: DataDirectoryOptions;
  /** Why the one or the other fails. */
  readonly #failing = new Map<'members file' | 'lock', string>();
  #sessionKey: Uint8Array | undefined;

  constructor(options: DataDirectoryOptions) {
    this.#options = options;
    const { dataDir, manager, clock, logger } = options;
    this.members = new MembersFile({
      dataDir,
      members: manager.members,
      onFailing: (fails, reason = '') => this.#fails('members file', fails ? reason : undefined),
      clock,
      logger,
    });
    this.values = new ValuesFile({ dataDir, clock, logger });
  }

  /** @throws PulselaneError `environment`, naming DATA_DIR, if it is in use or cannot be used */
  async lock(lifecycle: Lifecycle): Promise<void> {
    const { dataDir, clock, logger, onLost } = this.#options;
    await makeDataDirectory(dataDir, clock);
    const lock = await lockDirectory(dataDir, {
      clock,
      logger,
      onLost: () => {
        this.#abandon();
        const reason = `DATA_DIR=${dataDir}: another master has taken it over, so this one ends`;
        onLost(new PulselaneError('environment', reason));
      },
      isAsLeft: () => this.members.isAsLeft(),
      onHeld: (wasMade) => {
        void this.members.look();
        if (wasMade) this.#wasMade();
      },
      onFailing: (reason) => this.#fails('lock', reason),
    });
    lifecycle.onStop('lock of the data directory', () => {
      // What was not written by now hangs, and would end in the directory of somebody else.
      this.#abandon();
      return lock.release();
    });
  }

  /** Written again where the directory is made again. */
  keep(sessionKey: Uint8Array): void {
    this.#sessionKey = sessionKey.length === 0 ? undefined : sessionKey;
  }

  #abandon(): void {
    this.members.abandon();
    this.values.abandon();
  }

  #wasMade(): void {
    const { dataDir, manager, logger } = this.#options;
    const detail = 'the lock of the data directory was removed, and maybe all that was in it: it is written anew';
    manager.recordEvent({ type: 'fault', detail });
    manager.recordEvent({ type: 'fault_over', detail: 'the lock is made again' });
    this.values.writeAgain();
    if (this.#sessionKey === undefined) return;
    keepSessionKey(dataDir, this.#sessionKey).catch((error: unknown) => {
      logger.error({ err: messageOf(error) }, 'session key could not be written again');
    });
  }

  #fails(what: 'members file' | 'lock', reason: string | undefined): void {
    const { manager, onFailing } = this.#options;
    const before = this.#failing.size;
    if (reason === undefined) this.#failing.delete(what);
    else this.#failing.set(what, reason);
    if (reason !== undefined) {
      manager.recordEvent({ type: 'fault', detail: `the ${what} in the data directory cannot be written: ${reason}` });
    }
    if (before > 0 === this.#failing.size > 0) return;
    if (reason === undefined)
      manager.recordEvent({ type: 'fault_over', detail: 'the data directory is written again' });
    onFailing(reason !== undefined);
  }
}
