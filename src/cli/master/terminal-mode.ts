/** How a master shows itself: a prompt in a terminal, JSON lines anywhere else. */
import type { RunningMaster } from '../../app/running-master.ts';
import type { MasterConfig } from '../../config/options.ts';
import type { Clock } from '../../lib/clock.ts';
import { createLogger, type Logger, tellLosses } from '../../lib/logging.ts';
import { createReadableLogger } from '../../lib/readable-logging.ts';
import { PROMPT_COMMANDS } from '../prompt/commands.ts';
import { Screen } from '../prompt/screen.ts';
import { PromptSession } from '../prompt/session.ts';
import { isTerminal, type Streams } from '../streams.ts';
import { lanePlanFields } from '../views/lane-plan-text.ts';
import { announcementFields, announcementLines, httpUrlOf } from './announcement.ts';
import { readHistory, writeHistory } from './history-file.ts';
import { isInBackground, isOwnTerminal } from './own-terminal.ts';

export interface TerminalMode {
  readonly logger: Logger;
  /** The master listens. @param localWorkerId the worker in this process, if there is one. `onExit` is called when somebody at the prompt wants it to stop. */
  started(master: RunningMaster, localWorkerId: string | undefined, onExit: () => void): Promise<void>;
  /** Once, when it begins to stop. @param cause a signal, or `exit` */
  stopping(cause: string): Promise<void>;
}

export interface TerminalModeOptions {
  readonly streams: Streams;
  readonly config: MasterConfig;
  readonly clock: Clock;
  /** As of `ownStat`. */
  readonly processStat: string | undefined;
}

export function terminalModeOf(options: TerminalModeOptions): TerminalMode {
  return isTerminal(options.streams) && !isInBackground(options.processStat) ? terminalFace(options) : logFace(options);
}

function terminalFace({ streams, config, clock, processStat }: TerminalModeOptions): TerminalMode {
  const screen = new Screen(streams.stdout);
  const logger = createReadableLogger({ level: config.logLevel, destination: screen.asWritable() });
  tellLosses(streams.stdout, logger);
  let session: PromptSession | undefined;
  return {
    logger,
    async started(master, localWorkerId, onExit) {
      session = new PromptSession({
        input: streams.stdin,
        screen,
        context: {
          operator: master.operator,
          clock,
          commands: PROMPT_COMMANDS,
          httpUrl: httpUrlOf(master.httpAddress, master.httpAccess),
        },
        history: await readHistory(config.dataDir, logger),
        clock,
        logger,
        connectedWorkers: () => workersBut(localWorkerId, master),
        isOwnTerminal: isOwnTerminal(processStat),
        onExit,
      });
      screen.print(announcementLines(master, localWorkerId !== undefined).join('\n'));
      session.start();
    },
    async stopping() {
      session?.close();
      screen.print('stopping… (Ctrl-C ends at once)');
      if (session !== undefined) await writeHistory(config.dataDir, session.history, logger);
    },
  };
}

/** Active workers beside the one in this process, which ends with the master. */
function workersBut(localWorkerId: string | undefined, { operator: { directory } }: RunningMaster): number {
  const { board } = directory;
  const local = localWorkerId === undefined ? undefined : directory.get(localWorkerId);
  return board.activeWorkers - (local !== undefined && board.isActive(local.row) ? 1 : 0);
}

function logFace({ streams, config }: TerminalModeOptions): TerminalMode {
  const logger = createLogger({ level: config.logLevel, destination: streams.stdout });
  return {
    logger,
    async started(master) {
      for (const fields of announcementFields(master)) logger.info(fields, 'listening');
      logger.info(lanePlanFields(master.manager.lanePlan), 'workers that can have a thread of their own');
    },
    async stopping(cause) {
      logger.info({ cause }, 'stopping');
    },
  };
}
