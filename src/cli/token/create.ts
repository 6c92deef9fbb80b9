/** `pulselane token create`: a new token, and the line by which a master knows it. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { instantText } from '../../lib/token-expiry.ts';
import { hashOfToken, newToken, parseApiScopes, parseApiTokens } from '../../lib/tokens.ts';
import { parseWorkerTokens } from '../../model/identity.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { appendLines } from './append-lines.ts';
import { fileFor } from './files.ts';
import { API_USE, AT_RELOAD, handOut, WORKER_USE } from './hand-out.ts';
import { expiryIn } from './moments.ts';
import { type SubjectFlags, subjectsOf, usage } from './subject-flags.ts';
import { lineOf } from './token-lines.ts';

interface CreateFlags extends SubjectFlags {
  readonly scope?: string;
  readonly expires?: string;
  readonly tokensFile?: string;
  readonly out?: string;
}

export function createCommand(streams: Streams, clock: Clock): Command {
  const command = new Command('create')
    .description('create a token, hand it out once, and store its hash')
    .option('--worker <id>', 'the worker that it lets report')
    .option('--group <name>', 'the group whose workers it lets report: for a relay')
    .option('--api <name>', 'the name of whom it lets use the HTTP API')
    .option('--scope <scope>', 'what it lets do there: read, or operate, which includes read')
    .option(
      '--expires <when>',
      'when it expires: 30d, 12h, 2026-12-24 (its first moment in UTC), 2026-12-24T18:00Z; default: never',
    )
    .option('--tokens-file <file>', 'where its hash goes [WORKER_TOKENS_FILE, API_TOKENS_FILE]')
    .option('--out <file>', 'a new file for the token, which its owner alone can read; default: it is printed');
  command.addHelpText(
    'after',
    examples(
      'pulselane token create --worker worker-1 --tokens-file worker-tokens --out worker-1.token',
      'pulselane token create --group rack-7 --expires 90d',
      'pulselane token create --api grafana --scope read --tokens-file api-tokens',
    ),
  );
  return command.action(() => createToken(command.opts<CreateFlags>(), streams, clock));
}

async function createToken(flags: CreateFlags, streams: Streams, clock: Clock): Promise<void> {
  const { scope, expires, tokensFile, out } = flags;
  const subjects = subjectsOf(flags);
  const isApi = flags.api !== undefined;
  if (subjects.length === 0) throw usage('expected --worker <id>, --group <name> or --api <name>');
  if (isApi && subjects.length > 1) throw usage('--api: expected no --worker and no --group beside it');
  if (isApi && scope === undefined) throw usage('--api: expected --scope read or --scope operate beside it');
  if (!isApi && scope !== undefined) throw usage('--scope: expected --api beside it');
  const scopes = scope === undefined ? undefined : parseApiScopes(scope, `--scope ${scope}`);
  const expiresUnixMs = expires === undefined ? undefined : expiryIn(expires, clock.wallMs());

  const token = newToken();
  const lines = subjects.map((subject) => lineOf({ subject, scopes, expiresUnixMs, hash: hashOfToken(token) }));
  const { setting, file } = fileFor(isApi ? 'api' : 'worker', tokensFile);
  if (out !== undefined && file !== undefined && resolve(out) === resolve(file)) {
    throw usage(`--out ${out}: expected another file than that of the hashes`);
  }
  const check = (text: string, before: string) => {
    const where = file ?? setting;
    if (flags.api !== undefined && expires === undefined) checkIsNew(flags.api, before, where);
    void (isApi ? parseApiTokens(text, where) : parseWorkerTokens(text, where));
  };
  await handOut({ token, out, file, use: isApi ? API_USE : WORKER_USE }, streams, async () => {
    if (file !== undefined) await appendLines(file, clock, lines, check);
    return [
      file === undefined ? `Add to the file of ${setting}:` : `Added to ${file}:`,
      ...lines.map((line) => `  ${line}`),
      ...(expiresUnixMs === undefined ? [] : [`It expires at ${instantText(expiresUnixMs)}.`]),
      AT_RELOAD,
    ];
  });
}

/** Of the tokens of a name one only lasts. @throws PulselaneError `failed_precondition`, naming what makes a second one */
function checkIsNew(name: string, text: string, where: string): void {
  const lasts = parseApiTokens(text, where).some((token) => token.name === name && token.expiresUnixMs === undefined);
  if (!lasts) return;
  throw new PulselaneError(
    'failed_precondition',
    `${where} has a token of ${name} already; "pulselane token rotate --api ${name}" makes a new one in its place`,
  );
}
