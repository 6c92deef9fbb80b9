/** A logger whose lines a test can look at. */
import { Writable } from 'node:stream';
import { createLogger, type Logger } from '../../src/lib/logging.ts';

export interface KeptLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

export function keptLog(): { logger: Logger; lines: KeptLine[] } {
  const lines: KeptLine[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as KeptLine);
      done();
    },
  });
  return { logger: createLogger({ level: 'debug', destination }), lines };
}
