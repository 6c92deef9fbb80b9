/** The master's data directory: its lock, and the files that only the holder of the lock may use. */
import { EventIdsFile } from '../engine/persistence/event-ids-file.ts';
import { MembersFile } from '../engine/persistence/members-file.ts';
import { ValuesFile } from '../engine/persistence/values-file.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import type { Clock } from '../lib/clock.ts';
import { lockDirectory } from '../lib/directory-lock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { keepDataVersion, upgradeDataDirectory } from './data-version.ts';
import type { Lifecycle } from './lifecycle.ts';
import { makeDataDirectory } from './make-data-directory.ts';
import { keepSessionKey } from './session-key.ts';

export interface DataDirectoryOptions {
  readonly dataDir: string;
  readonly manager: TelemetryManager;
  /** Called when the directory can no longer be written, and when it can again. */
  readonly onFailing: (fails: boolean) => void;
  /** Called when another master has taken the directory over. */
  readonly onLost: (error: PulselaneError) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DataDirectory {
  readonly members: MembersFile;
  readonly values: ValuesFile;
  readonly eventIds: EventIdsFile;
  readonly #options: DataDirectoryOptions;
  /** Why each of them fails. */
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
    this.eventIds = new EventIdsFile({ dataDir, events: manager.events, clock, logger });
  }

  /** @throws PulselaneError `environment`, naming DATA_DIR, if it is in use, cannot be used, or is of a newer version */
  async lock(lifecycle: Lifecycle): Promise<void> {
    const { dataDir, clock, logger, onLost } = this.#options;
    await makeDataDirectory(dataDir, clock);
    const lock = await lockDirectory(dataDir, {
      clock,
      logger,
      onLost: () => {
        this.#abandon();
        const reason = `DATA_DIR=${dataDir}: another master has taken it over, so this one stops`;
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
      // A write that is still running hangs, and could later hit the directory of another master.
      this.#abandon();
      return lock.release();
    });
    await upgradeDataDirectory(dataDir, logger);
  }

  /** Keeps the key, to write it again if the directory has to be made again. */
  keep(sessionKey: Uint8Array): void {
    this.#sessionKey = sessionKey.length === 0 ? undefined : sessionKey;
  }

  #abandon(): void {
    this.members.abandon();
    this.values.abandon();
    this.eventIds.abandon();
  }

  #wasMade(): void {
    const { dataDir, manager, logger } = this.#options;
    const detail =
      'the lock of the data directory was removed, and possibly all files in it: they are being written again';
    manager.recordEvent({ type: 'fault', detail });
    manager.recordEvent({ type: 'fault_over', detail: 'the lock has been made again' });
    this.values.writeAgain();
    this.eventIds.writeAgain();
    keepDataVersion(dataDir).catch((error: unknown) => {
      logger.error({ err: messageOf(error) }, 'cannot write the version of the data directory again');
    });
    if (this.#sessionKey === undefined) return;
    keepSessionKey(dataDir, this.#sessionKey).catch((error: unknown) => {
      logger.error({ err: messageOf(error) }, 'cannot write the session key again');
    });
  }

  #fails(what: 'members file' | 'lock', reason: string | undefined): void {
    const { manager, onFailing } = this.#options;
    const before = this.#failing.size;
    if (reason === undefined) this.#failing.delete(what);
    else this.#failing.set(what, reason);
    if (reason !== undefined) {
      manager.recordEvent({ type: 'fault', detail: `cannot write the ${what} in the data directory: ${reason}` });
    }
    if (before > 0 === this.#failing.size > 0) return;
    if (reason === undefined)
      manager.recordEvent({ type: 'fault_over', detail: 'the data directory can be written again' });
    onFailing(reason !== undefined);
  }
}
