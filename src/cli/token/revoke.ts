/** `pulselane token revoke`: the tokens of somebody, taken out of a master's file. */
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { allFiles, neededFileFor, textOf } from './files.ts';
import { AT_RELOAD } from './hand-out.ts';
import { rewriteFile } from './rewrite-file.ts';
import { oneSubject, type SubjectFlags, usage } from './subject-flags.ts';
import { isSame, lineOf, revoked, type Subject, subjectText, tokenLines } from './token-lines.ts';

interface RevokeFlags extends SubjectFlags {
  readonly tokensFile?: string;
}

/** A token that is named, and the file that holds it. */
interface Place {
  readonly subject: Subject;
  readonly file: string;
}

export function revokeCommand(streams: Streams, clock: Clock): Command {
  const command = new Command('revoke')
    .description('remove the tokens of a worker, of a group, or of a client of the API')
    .argument('[name]', 'whose, where no flag says it')
    .option('--worker <id>', 'the worker whose tokens are removed')
    .option('--group <name>', 'the group whose tokens are removed')
    .option('--api <name>', 'the name of the API tokens that are removed')
    .option('--tokens-file <file>', 'the file that holds them [WORKER_TOKENS_FILE, API_TOKENS_FILE]');
  command.addHelpText(
    'after',
    examples(
      'pulselane token revoke grafana --tokens-file api-tokens',
      'pulselane token revoke --worker worker-1 --tokens-file worker-tokens',
    ),
  );
  return command.action(async (name: string | undefined) => {
    const { tokensFile, ...flags } = command.opts<RevokeFlags>();
    if (name !== undefined && Object.keys(flags).length > 0) {
      throw usage('expected a name, or one of --worker <id>, --group <name> and --api <name>');
    }
    const { subject, file } = name === undefined ? placeOf(flags, tokensFile) : await placeNamed(name, tokensFile);
    const { removed } = await rewriteFile(file, clock, (text) => revoked(text, subject, file));
    streams.stdout.write(
      `${[`Removed from ${file}:`, ...removed.map((line) => `  ${lineOf(line)}`), AT_RELOAD].join('\n')}\n`,
    );
  });
}

function placeOf(flags: SubjectFlags, tokensFile: string | undefined): Place {
  const subject = oneSubject(flags);
  return { subject, file: neededFileFor(subject.kind === 'api' ? 'api' : 'worker', tokensFile) };
}

/** @throws PulselaneError `not_found`; `invalid_argument` if it may be one or the other */
async function placeNamed(name: string, tokensFile: string | undefined): Promise<Place> {
  const places: Place[] = [];
  const files = allFiles(tokensFile);
  for (const file of files) {
    for (const { subject } of tokenLines(await textOf(file), file)) {
      const isKnown = places.some((place) => place.file === file && isSame(place.subject, subject));
      if (subject.id === name && !isKnown) places.push({ subject, file });
    }
  }
  const [place, ...others] = places;
  if (place === undefined) {
    throw new PulselaneError(
      'not_found',
      `no token of ${name} in ${files.join(' and ')}; "pulselane token list" shows all`,
    );
  }
  if (others.length === 0) return place;
  const found = places.map(({ subject }) => `${subjectText(subject)} (--${subject.kind})`);
  throw usage(`${name} may be ${found.join(' or ')}: say which by its flag`);
}
