/** Logs: JSON lines for machines, one readable line for people at a terminal. */
import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

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
  if (!readable) return pino(options, destination);
  return pino(
    options,
    pretty({ destination, sync: true, translateTime: 'HH:MM:ss', singleLine: true, colorize: false }),
  );
}

/** For programs that embed the engine and did not give a logger. */
export const silentLogger: Logger = pino({ level: 'silent' });
