/** `pulselane export [file]`: a range of history as a file. */
import { open, rename, rm } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { addOptions } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import { EXPORT_FORMATS, type ExportFormat } from '../../history/export/export-request.ts';
import { TIERS } from '../../history/samples.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { age, mebibytes } from '../text/units.ts';
import { addFilterOptions, type FilterFlags, queryOfFlags } from '../worker-query.ts';
import type { ExportDownload } from './api.ts';
import { apiClientOf, type ClientEnvironment } from './client-command.ts';
import { addRangeOptions, type RangeFlags, rangeOfFlags } from './time-range.ts';

interface ExportFlags extends RangeFlags, FilterFlags {
  readonly format?: ExportFormat;
  readonly tier?: string;
  readonly metric?: readonly string[];
  readonly worker?: string;
  readonly prefix?: string;
}

const DEFAULT_LAST = '24h';
/** Seconds suffice for people. */
const PROGRESS_EVERY_MS = 1000;

/** By the end of a file's name. */
const FORMAT_BY_ENDING: Readonly<Record<string, ExportFormat>> = {
  csv: 'csv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
};

export function exportCommand({ streams, clock }: ClientEnvironment): Command {
  const plain = new Command('export').description('write a range of history to a file, or to stdout');
  const command = addFilterOptions(
    addRangeOptions(
      addOptions(plain, clientOptions).argument('[file]', 'where to; default, and with "-": stdout'),
      DEFAULT_LAST,
    ),
  )
    .addOption(
      new Option('--format <format>', 'default: as the name of the file ends, else csv').choices([...EXPORT_FORMATS]),
    )
    .addOption(
      new Option(
        '--tier <tier>',
        'samples as received, or rollups of a minute or an hour (default: the finest there is for each part of the range)',
      ).choices([...TIERS]),
    )
    .addOption(
      new Option('--metric <name>', 'only this metric; can be repeated').argParser(
        (value, before: readonly string[] = []) => [...before, value],
      ),
    )
    .option('--worker <id>', 'only this worker; it may be a forgotten one')
    .option('--prefix <prefix>', 'only workers whose ids begin with this, also forgotten ones');
  command.addHelpText(
    'after',
    examples(
      'pulselane export --from -7d history.parquet',
      'pulselane export --last 1h --worker worker-1 --metric cpu_usage',
      'pulselane export --from -30d --tier 1h --label zone=a --format csv | gzip > zone-a.csv.gz',
    ),
  );
  return command.action(async (given: string | undefined) => {
    const file = given === '-' ? undefined : given;
    const flags = command.opts<ExportFlags>();
    const format = formatOf(flags.format, file);
    const parameters = parametersOf(flags, format, clock.wallMs());
    if (file === undefined && format === 'parquet' && streams.stdout.isTTY === true) {
      throw new PulselaneError(
        'invalid_argument',
        '--format parquet: no text for a terminal; name a file, or redirect stdout',
      );
    }
    const download = await apiClientOf(command, clock).export(parameters);
    const progress = new Progress(streams, clock, file === undefined);
    try {
      await (file === undefined ? toStdout(download, streams, progress) : toFile(download, file, progress));
    } finally {
      progress.end();
    }
  });
}

function formatOf(given: ExportFormat | undefined, file: string | undefined): ExportFormat {
  return given ?? FORMAT_BY_ENDING[/\.(\w+)$/.exec(file ?? '')?.[1]?.toLowerCase() ?? ''] ?? 'csv';
}

/** @throws PulselaneError `invalid_argument`, naming the flag */
function parametersOf(flags: ExportFlags, format: ExportFormat, nowMs: number): (readonly [string, string])[] {
  const { tier, metric, worker, prefix } = flags;
  if (worker !== undefined) checkWorkerId(worker);
  const { filters } = queryOfFlags(flags, prefix ?? '');
  if (worker !== undefined && Object.keys(filters).length > 0) {
    throw new PulselaneError('invalid_argument', '--worker names the only one: leave out the other filters');
  }
  const all = {
    ...rangeOfFlags(flags, { nowMs, defaultLast: DEFAULT_LAST }),
    format,
    ...(tier === undefined ? {} : { tier }),
    ...(worker === undefined ? {} : { worker }),
    ...filters,
  };
  return [...Object.entries(all), ...(metric ?? []).map((name) => ['metric', name] as const)];
}

/** How much has come, on stderr, while a person waits there. */
class Progress {
  readonly #streams: Streams;
  readonly #clock: Clock;
  readonly #isShown: boolean;
  readonly #startedMs: number;
  #shownMs: number;
  bytes = 0;

  /** @param isStdout whether the rows go to stdout: in a terminal they are the progress */
  constructor(streams: Streams, clock: Clock, isStdout: boolean) {
    this.#streams = streams;
    this.#clock = clock;
    this.#isShown = streams.stderr.isTTY === true && !(isStdout && streams.stdout.isTTY === true);
    this.#startedMs = clock.monotonicMs();
    this.#shownMs = this.#startedMs;
  }

  took(bytes: number): void {
    this.bytes += bytes;
    const nowMs = this.#clock.monotonicMs();
    if (!this.#isShown || nowMs - this.#shownMs < PROGRESS_EVERY_MS) return;
    this.#shownMs = nowMs;
    this.#streams.stderr.write(`\r\x1b[K${mebibytes(this.bytes)} in ${age(nowMs - this.#startedMs)}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown && this.#shownMs !== this.#startedMs) this.#streams.stderr.write('\r\x1b[K');
  }
}

async function toStdout(download: ExportDownload, { stdout }: Streams, progress: Progress): Promise<void> {
  for await (const chunk of download.chunks()) {
    if (!stdout.write(chunk)) await drained(stdout);
    // Whoever reads has enough (`| head`), or it cannot be written: the end of the command says which.
    if (stdout.failure !== undefined) return;
    progress.took(chunk.length);
  }
  refuseIncomplete(download);
}

function drained(stdout: Streams['stdout']): Promise<void> {
  return new Promise((resolve) => stdout.write('', () => resolve()));
}

/** A file gets its name when it is whole. */
async function toFile(download: ExportDownload, file: string, progress: Progress): Promise<void> {
  const partial = `${file}.partial`;
  try {
    // Ids of workers and what they do are nobody else's business.
    const handle = await onFile(file, () => open(partial, 'w', 0o600));
    try {
      for await (const chunk of download.chunks()) {
        await onFile(file, () => handle.writeFile(chunk));
        progress.took(chunk.length);
      }
    } finally {
      await handle.close();
    }
    refuseIncomplete(download);
    await onFile(file, () => rename(partial, file));
  } catch (error) {
    if (progress.bytes === 0) {
      await rm(partial, { force: true }).catch(() => {});
      throw error;
    }
    const code = error instanceof PulselaneError ? error.code : 'environment';
    throw new PulselaneError(code, `${messageOf(error)}; what came is in ${partial}`, { cause: error });
  }
}

/** @throws PulselaneError `environment`, naming the file */
async function onFile<T>(file: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    throw new PulselaneError('environment', `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws PulselaneError `unavailable` if the master could not read everything */
function refuseIncomplete(download: ExportDownload): void {
  const missing = download.missing();
  if (missing !== undefined) throw new PulselaneError('unavailable', `the export is incomplete: ${missing}`);
}
