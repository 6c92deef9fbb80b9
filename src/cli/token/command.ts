/** `pulselane token create`: a new token, and the line by which a master knows it. */
import { Command } from 'commander';
import { tokenOptions } from '../../config/options.ts';
import { processSources, resolveOptions } from '../../config/resolve.ts';
import { PulselaneError } from '../../lib/errors.ts';
import {
  apiNameProblem,
  apiTokenLine,
  hashOfToken,
  newToken,
  parseApiScopes,
  parseApiTokens,
} from '../../lib/tokens.ts';
import { groupProblem, parseWorkerTokens, type TokenSubject, workerTokenLine } from '../../model/identity.ts';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import type { Streams } from '../streams.ts';
import { appendLines } from './append-lines.ts';
import { writeSecret } from './secret-file.ts';

interface CreateFlags {
  readonly worker?: string;
  readonly group?: string;
  readonly api?: string;
  readonly scope?: string;
  readonly tokensFile?: string;
  readonly out?: string;
}

/** What is to be written, and where. */
interface Entry {
  readonly lines: readonly string[];
  /** The setting that names the file. */
  readonly setting: 'WORKER_TOKENS_FILE' | 'API_TOKENS_FILE';
  readonly file: string | undefined;
  /** Throws what a master would, of the file as it will be. */
  readonly check: (text: string, where: string) => unknown;
  /** How the token is used. */
  readonly use: string;
}

export function tokenCommand(streams: Streams): Command {
  const create = new Command('create')
    .description('make a token, hand it out once, and keep its hash')
    .option('--worker <id>', 'the worker that it lets report')
    .option('--group <name>', 'the group whose workers it lets report: for a relay')
    .option('--api <name>', 'the name of whom it lets use the HTTP API')
    .option('--scope <scope>', 'what it lets do there: read, or operate, which includes read')
    .option('--tokens-file <file>', 'where its hash goes [WORKER_TOKENS_FILE, API_TOKENS_FILE]')
    .option('--out <file>', 'a new file for the token, which its owner alone can read; default: it is printed');
  create.addHelpText(
    'after',
    examples(
      'pulselane token create --worker worker-1 --tokens-file worker-tokens --out worker-1.token',
      'pulselane token create --group rack-7',
      'pulselane token create --api grafana --scope read --tokens-file api-tokens',
    ),
  );
  create.action(async () => createToken(create.opts<CreateFlags>(), streams));
  return new Command('token').description('tokens of workers and of the HTTP API').addCommand(create);
}

async function createToken(flags: CreateFlags, streams: Streams): Promise<void> {
  const token = newToken();
  const { lines, file, setting, check, use } = entryOf(flags, hashOfToken(token));
  const { out } = flags;
  // Only what is kept is worth anything: the token is handed out last.
  const keep = async () => {
    if (file !== undefined) await appendLines(file, lines, (text) => check(text, file));
  };
  await (out === undefined ? keep() : writeSecret(out, `${token}\n`, keep));
  const where = file === undefined ? `Add to the file of ${setting}:` : `Added to ${file}:`;
  const shown = out === undefined ? 'It is shown this once' : `The token is in ${out}, for its owner alone`;
  streams.stderr.write(
    `${[where, ...lines.map((line) => `  ${line}`), 'A running master takes it at SIGHUP.', `${shown}; ${use}`].join('\n')}\n`,
  );
  if (out === undefined) streams.stdout.write(`${token}\n`);
}

/** @throws PulselaneError `invalid_argument` naming the flag */
function entryOf(flags: CreateFlags, hash: string): Entry {
  const settings = resolveOptions(tokenOptions, processSources({}));
  const { worker, group, api, scope, tokensFile } = flags;
  if (api !== undefined) {
    if (worker !== undefined || group !== undefined)
      throw invalid('--api: expected no --worker and no --group beside it');
    const problem = apiNameProblem(api);
    if (problem !== undefined) throw invalid(`--api ${JSON.stringify(api)}: expected ${problem}`);
    if (scope === undefined) throw invalid('--api: expected --scope read or --scope operate beside it');
    return {
      lines: [apiTokenLine({ name: api, scopes: parseApiScopes(scope, `--scope ${scope}`), hash })],
      setting: 'API_TOKENS_FILE',
      file: tokensFile ?? settings.apiTokensFile,
      check: parseApiTokens,
      use: 'requests carry it as "Authorization: Bearer <token>".',
    };
  }
  if (scope !== undefined) throw invalid('--scope: expected --api beside it');
  const subjects = subjectsOf(worker, group);
  if (subjects.length === 0) throw invalid('expected --worker <id>, --group <name> or --api <name>');
  return {
    lines: subjects.map((subject) => workerTokenLine(subject, hash)),
    setting: 'WORKER_TOKENS_FILE',
    file: tokensFile ?? settings.workerTokensFile,
    check: parseWorkerTokens,
    use: 'an agent takes it by --token-file <file>.',
  };
}

function subjectsOf(worker: string | undefined, group: string | undefined): TokenSubject[] {
  const subjects: TokenSubject[] = [];
  if (worker !== undefined) {
    checkWorkerId(worker);
    subjects.push({ kind: 'worker', id: worker });
  }
  if (group !== undefined) {
    const problem = groupProblem(group);
    if (problem !== undefined) throw invalid(`--group ${JSON.stringify(group)}: expected ${problem}`);
    subjects.push({ kind: 'group', id: group });
  }
  return subjects;
}

function invalid(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}
