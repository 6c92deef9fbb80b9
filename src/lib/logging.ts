/** Logging: JSON lines for programs, one readable line per message in a terminal. */
import type { Writable } from 'node:stream';
import { type Logger, type LoggerOptions as LoggerOptionsOfPino, pino } from 'pino';
import pretty from 'pino-pretty';
import { LossyOutput } from './output/lossy-output.ts';
import { printable, printableLines } from './printable.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Receives the lines. */
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
  const logger = readable
    ? pino(
        { ...options, ...ON_A_TERMINAL, formatters: { ...options.formatters, log: printableFields } },
        pretty({ destination, sync: true, translateTime: 'HH:MM:ss', singleLine: true, colorize: false }),
      )
    : pino(options, destination);
  tellLosses(destination, logger);
  return logger;
}

/**
 * Much of what is logged comes from outside: ids, groups, answers of other machines, errors of processors. In a
 * terminal none of it may fake a line or move the cursor; in JSON it cannot.
 */
const ON_A_TERMINAL: Pick<LoggerOptionsOfPino, 'hooks' | 'serializers'> = {
  hooks: {
    logMethod(args, method) {
      const made = args.map((part: unknown) => (typeof part === 'string' ? printable(part) : part));
      method.apply(this, made as Parameters<typeof method>);
    },
  },
  serializers: {
    err: (error: unknown) => {
      if (!(error instanceof Error)) return error;
      const message = printable(error.message);
      const stack = printableLines((error.stack ?? '').replace(error.message, () => message));
      return { type: error.name, message, stack };
    },
  },
};

function printableFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? printable(value) : value]),
  );
}

/** Logs how many lines were lost. @param output the log's final destination */
export function tellLosses(output: Writable, logger: Logger): void {
  if (!(output instanceof LossyOutput)) return;
  output.onLoss = ({ lines, reason }) =>
    logger.warn({ lines, reason }, 'lines of this log were lost: it could not be written');
}

/** Default for programs that embed the engine without a logger. */
export const silentLogger: Logger = pino({ level: 'silent' });
