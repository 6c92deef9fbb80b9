/** Logs: JSON lines for machines, one readable line for people at a terminal. */
import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { LossyOutput } from './output/lossy-output.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where the lines go. */
  readonly destination: Writable;
  /** Readable lines instead of JSON. */
  readonly readable?: boolean;
}

export function createLogger({ level, destination, readable = false }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(
    options,
    readable
      ? pretty({ destination, sync: true, translateTime: 'HH:MM:ss', singleLine: true, colorize: false })
      : destination,
  );
  tellLosses(destination, logger);
  return logger;
}

/** The log says itself what is missing in it. @param output where its lines go in the end */
export function tellLosses(output: Writable, logger: Logger): void {
  if (!(output instanceof LossyOutput)) return;
  output.onLoss = ({ lines, reason }) =>
    logger.warn({ lines, reason }, 'lines of this log were lost: it could not be written');
}

/** For programs that embed the engine and did not give a logger. */
export const silentLogger: Logger = pino({ level: 'silent' });
