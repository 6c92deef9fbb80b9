/** `pulselane` without its commands: its version, and how it prints. */
import { Command } from 'commander';
import { VERSION } from '../lib/version.ts';
import { line } from './exit-codes.ts';
import { HELP_LAYOUT, helpLines } from './help-layout.ts';
import type { Streams } from './streams.ts';

/** As wide as help is where no terminal reads it. */
const WITHOUT_TERMINAL_COLUMNS = 80;

/** `parseAsync` of it rejects instead of ending the process. */
export function bareProgram(streams: Streams): Command {
  /** Undefined: no terminal reads. */
  const columns = () => (streams.stdout.isTTY === true && streams.stdout.columns) || undefined;
  return new Command('pulselane')
    .description('Telemetry for master/worker fleets.')
    .version(VERSION)
    .exitOverride()
    .configureHelp(HELP_LAYOUT)
    .configureOutput({
      writeOut: (text) => streams.stdout.write(helpLines(text, columns() ?? Number.POSITIVE_INFINITY)),
      writeErr: (text) => streams.stderr.write(text),
      getOutHelpWidth: () => columns() ?? WITHOUT_TERMINAL_COLUMNS,
      // Nothing of it is coloured.
      getOutHasColors: () => false,
      outputError: (text, write) => write(line(text.replace(/^error: /, ''))),
    });
}
