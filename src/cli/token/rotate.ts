/** `pulselane token rotate`: a new token in the place of one that somebody has, without locking them out meanwhile. */
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import { instantText } from '../../lib/token-expiry.ts';
import { hashOfToken, newToken } from '../../lib/tokens.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { neededFileFor } from './files.ts';
import { API_USE, AT_RELOAD, handOut, WORKER_USE } from './hand-out.ts';
import { expiryIn, keepOldMs } from './moments.ts';
import { rewriteFile } from './rewrite-file.ts';
import { oneSubject, type SubjectFlags } from './subject-flags.ts';
import { lineOf, type Rotated, rotated } from './token-lines.ts';

interface RotateFlags extends SubjectFlags {
  readonly expires?: string;
  readonly keepOld: string;
  readonly tokensFile?: string;
  readonly out?: string;
}

/** Time to bring the new one to a machine, also if that is tomorrow's work. */
const KEEP_OLD = '24h';

export function rotateCommand(streams: Streams, clock: Clock): Command {
  const command = new Command('rotate')
    .description('create a new token for a worker, a group or a client of the API; the old one expires')
    .option('--worker <id>', 'the worker')
    .option('--group <name>', 'the group')
    .option('--api <name>', 'the name of the API token')
    .option('--keep-old <duration>', 'how long the old token stays valid, such as 1h or 2d; 0: not at all', KEEP_OLD)
    .option(
      '--expires <when>',
      'when the new one expires: 30d, 12h, 2026-12-24, 2026-12-24T18:00Z, never; needed where the old one expires',
    )
    .option('--tokens-file <file>', 'the file that holds the old one [WORKER_TOKENS_FILE, API_TOKENS_FILE]')
    .option('--out <file>', 'a new file for the token, which its owner alone can read; default: it is printed');
  command.addHelpText(
    'after',
    examples(
      'pulselane token rotate --worker worker-1 --tokens-file worker-tokens --out worker-1.new',
      'pulselane token rotate --api grafana --keep-old 1h --expires 90d --tokens-file api-tokens',
    ),
  );
  return command.action(() => rotateToken(command.opts<RotateFlags>(), streams, clock));
}

async function rotateToken(flags: RotateFlags, streams: Streams, clock: Clock): Promise<void> {
  const nowUnixMs = clock.wallMs();
  const subject = oneSubject(flags);
  const keepMs = keepOldMs(flags.keepOld);
  const expires = flags.expires === undefined ? 'as before' : { unixMs: expiryIn(flags.expires, nowUnixMs) };
  const file = neededFileFor(subject.kind === 'api' ? 'api' : 'worker', flags.tokensFile);
  const token = newToken();
  const rotation = { subject, hash: hashOfToken(token), expires, keepOldMs: keepMs, nowUnixMs } as const;
  const use = subject.kind === 'api' ? API_USE : WORKER_USE;
  await handOut({ token, out: flags.out, file, use }, streams, async () => {
    const change = await rewriteFile(file, clock, (text) => rotated(text, rotation, file));
    return [`Added to ${file}:`, ...change.added.map((line) => `  ${lineOf(line)}`), ...oldText(change), AT_RELOAD];
  });
}

function oldText({ removed, oldUntilUnixMs }: Rotated): string[] {
  return [
    ...(oldUntilUnixMs === undefined ? [] : [`The old token is valid until ${instantText(oldUntilUnixMs)}.`]),
    ...(removed.length === 0 ? [] : ['Removed:', ...removed.map((line) => `  ${lineOf(line)}`)]),
  ];
}
