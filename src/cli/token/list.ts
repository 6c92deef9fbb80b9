/** `pulselane token list`: the tokens in a master's files: for whom each is, and until when it is valid. */
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import { instantText, isExpired } from '../../lib/token-expiry.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import type { Item } from '../output/csv.ts';
import { addOutputOption, LIST_FORMATS } from '../output/format.ts';
import type { Streams } from '../streams.ts';
import type { Page } from '../text/page.ts';
import { table } from '../text/table.ts';
import { age, NOTHING } from '../text/units.ts';
import { allFiles, textOf } from './files.ts';
import { tokenLines } from './token-lines.ts';

/** Enough digits of the hash to distinguish two tokens of one name. A token cannot be computed from its hash. */
const ID_DIGITS = 8;

const FIELDS = ['kind', 'name', 'scopes', 'expires_at', 'state', 'id', 'file'] as const;

interface TokenItem extends Item {
  readonly kind: string;
  readonly name: string;
  /** Null for tokens of workers and groups: these allow sending heartbeats, and have no scopes. */
  readonly scopes: readonly string[] | null;
  /** Null: never. */
  readonly expires_at: string | null;
  readonly state: 'valid' | 'expired';
  /** How the hash begins. */
  readonly id: string;
  readonly file: string;
}

export function listCommand(streams: Streams, clock: Clock): Command {
  const command = new Command('list')
    .description('list the tokens that a master knows, without the tokens themselves')
    .option('--tokens-file <file>', 'the file to list [WORKER_TOKENS_FILE and API_TOKENS_FILE]');
  addOutputOption(command, LIST_FORMATS);
  command.addHelpText(
    'after',
    examples(
      'pulselane token list --tokens-file worker-tokens',
      'API_TOKENS_FILE=api-tokens pulselane token list -o json',
    ),
  );
  return command.action(async () => {
    const nowUnixMs = clock.wallMs();
    const items: TokenItem[] = [];
    for (const file of allFiles(command.opts<{ tokensFile?: string }>().tokensFile)) {
      items.push(...itemsOf(await textOf(file), file, nowUnixMs));
    }
    const json = { tokens: items };
    printAnswer({ json, items, fields: FIELDS, text: (page) => listText(items, nowUnixMs, page) }, command, streams);
  });
}

function itemsOf(text: string, file: string, nowUnixMs: number): TokenItem[] {
  return tokenLines(text, file).map(({ subject, hash, scopes, expiresUnixMs }) => ({
    kind: subject.kind,
    name: subject.id,
    scopes: scopes ?? null,
    expires_at: expiresUnixMs === undefined ? null : instantText(expiresUnixMs),
    state: isExpired(expiresUnixMs, nowUnixMs) ? 'expired' : 'valid',
    id: hash.slice(0, ID_DIGITS),
    file,
  }));
}

function listText(items: readonly TokenItem[], nowUnixMs: number, page: Page): string {
  if (items.length === 0) return 'No tokens.';
  return table(
    [
      { title: 'FOR' },
      { title: 'NAME', shortensTo: 12 },
      { title: 'SCOPE', rank: 2 },
      { title: 'EXPIRES', rank: 1 },
      { title: 'STATE' },
      { title: 'ID' },
    ],
    items.map(({ kind, name, scopes, expires_at, state, id }) => [
      kind === 'api' ? 'API' : kind,
      name,
      scopes === null ? NOTHING : scopes.join(','),
      expires_at ?? 'never',
      stateText(state, expires_at, nowUnixMs),
      id,
    ]),
    page,
  );
}

function stateText(state: TokenItem['state'], expiresAt: string | null, nowUnixMs: number): string {
  if (expiresAt === null) return state;
  const leftMs = Date.parse(expiresAt) - nowUnixMs;
  return state === 'expired' ? `expired ${age(-leftMs)} ago` : `valid for ${age(leftMs)}`;
}
