/** `pulselane history backup <file>`: a copy of the SQLite database of history on this machine, while a master writes to it. */
import { Command } from 'commander';
import { databaseFile } from '../../app/history.ts';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { masterOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import { HistoryError } from '../../history/history-error.ts';
import { backup } from '../../history/sqlite/backup.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { mebibytes } from '../text/units.ts';

/** Where history is; the command reads its file, and asks no master. */
const { dataDir, databaseUrl, databaseUrlFile } = masterOptions;
const BACKUP_OPTIONS = { dataDir, databaseUrl, databaseUrlFile };

export function backupCommand({ streams }: { readonly streams: Streams }): Command {
  const plain = new Command('backup').description(
    'copy the SQLite database of history to a new file, also while a master runs',
  );
  const command = addOptions(plain.argument('<file>', 'the copy; it must not exist'), { dataDir });
  command.addHelpText(
    'after',
    examples(
      'pulselane history backup history.backup',
      'pulselane history backup --data-dir /var/lib/pulselane history.backup',
    ),
  );
  return command.action(async (file: string) => {
    refuseFlagsOfParent(command);
    const config = resolveOptions(BACKUP_OPTIONS, processSources(givenFlags(command, { dataDir })));
    if (config.databaseUrl !== undefined || config.databaseUrlFile !== undefined) {
      const what = 'history is in PostgreSQL: copy it with pg_dump --schema=pulselane';
      throw new PulselaneError('invalid_argument', `DATABASE_URL is set, so ${what}`);
    }
    try {
      const bytes = await backup(databaseFile(config.dataDir), file);
      streams.stdout.write(`${file}: ${mebibytes(bytes)}\n`);
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      throw new PulselaneError('environment', error.message, { cause: error });
    }
  });
}

/** Commander takes them before and behind the name of this command. @throws PulselaneError `invalid_argument` */
function refuseFlagsOfParent({ parent }: Command): void {
  const given = parent?.options.find((option) => parent.getOptionValueSource(option.attributeName()) === 'cli');
  if (given === undefined) return;
  const why = 'history backup copies the whole database of this machine, and takes only --data-dir';
  throw new PulselaneError('invalid_argument', `${given.long ?? given.flags}: ${why}`);
}
