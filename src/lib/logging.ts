/** Logging as JSON lines, for programs; `readable-logging.ts` writes lines for people in a terminal. */
import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { LossyOutput } from './output/lossy-output.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Receives the lines. */
  readonly destination: Writable;
}

export function createLogger({ level, destination }: LoggerOptions): Logger {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    },
    destination,
  );
  tellLosses(destination, logger);
  return logger;
}

/** Logs how many lines were lost. @param output the log's final destination */
export function tellLosses(output: Writable, logger: Logger): void {
  if (!(output instanceof LossyOutput)) return;
  output.onLoss = ({ lines, reason }) =>
    logger.warn({ lines, reason }, 'lines of this log were lost: it could not be written');
}

/** Default for programs that embed the engine without a logger. */
export const silentLogger: Logger = pino({ level: 'silent' });
