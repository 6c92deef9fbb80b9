/** Logging as one readable line per message, for people in a terminal. A file of its own, so that it is loaded only there. */
import { type Logger, type LoggerOptions as LoggerOptionsOfPino, pino } from 'pino';
import pretty from 'pino-pretty';
import { type LoggerOptions, tellLosses } from './logging.ts';
import { printable, printableLines } from './printable.ts';

export function createReadableLogger({ level, destination }: LoggerOptions): Logger {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }), log: printableFields },
      ...PRINTABLE,
    },
    pretty({ destination, sync: true, translateTime: 'HH:MM:ss', singleLine: true, colorize: false }),
  );
  tellLosses(destination, logger);
  return logger;
}

/**
 * Much of what is logged comes from outside: ids, groups, answers of other machines, errors of processors. In a
 * terminal none of it may fake a line or move the cursor; in JSON it cannot.
 */
const PRINTABLE: Pick<LoggerOptionsOfPino, 'hooks' | 'serializers'> = {
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
