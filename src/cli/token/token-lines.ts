/**
 * The text of a file of tokens, line by line, and what is changed in it: pure functions. Comments, order and lines of
 * others stay as they are.
 */
import { PulselaneError } from '../../lib/errors.ts';
import { isExpired } from '../../lib/token-expiry.ts';
import { type ApiScope, apiTokenLine, parseApiTokens } from '../../lib/tokens.ts';
import { parseWorkerTokens, type TokenSubject, workerTokenLine } from '../../model/identity.ts';

/** For whom or what a token is. */
export type Subject = TokenSubject | { readonly kind: 'api'; readonly id: string };

/** A line that holds a token's hash. */
export interface TokenLine {
  /** From 0. */
  readonly index: number;
  readonly subject: Subject;
  readonly hash: string;
  /** Undefined: never. */
  readonly expiresUnixMs: number | undefined;
  /** Of a token of the API. */
  readonly scopes: readonly ApiScope[] | undefined;
}

/** A file holds tokens of workers and groups, or tokens of the API. */
export type FileKind = 'worker' | 'api';

/** Which of them; undefined: it holds none. */
export function fileKind(text: string): FileKind | undefined {
  const first = text.split('\n').find(isTokenLine);
  if (first === undefined) return undefined;
  return /^\s*(?:worker|group):/.test(first) ? 'worker' : 'api';
}

/**
 * @param where names the file in errors
 * @throws PulselaneError `bad_setting`, as a master would
 */
export function tokenLines(text: string, where: string): TokenLine[] {
  const isApi = fileKind(text) === 'api';
  // Rules that span several lines.
  if (isApi) parseApiTokens(text, where);
  else parseWorkerTokens(text, where);
  return text.split('\n').flatMap((line, index): TokenLine[] => {
    if (!isTokenLine(line)) return [];
    if (isApi) {
      const [token] = parseApiTokens(line, where);
      if (token === undefined) return [];
      const { name, hash, expiresUnixMs, scopes } = token;
      return [{ index, subject: { kind: 'api', id: name }, hash, expiresUnixMs, scopes }];
    }
    const [token] = parseWorkerTokens(line, where);
    const [subject] = token?.subjects ?? [];
    if (token === undefined || subject === undefined) return [];
    return [{ index, subject, hash: token.hash, expiresUnixMs: token.expiresUnixMs, scopes: undefined }];
  });
}

function isTokenLine(line: string): boolean {
  return line.trim() !== '' && !line.trim().startsWith('#');
}

export function isSame(left: Subject, right: Subject): boolean {
  return left.kind === right.kind && left.id === right.id;
}

/** For people: `worker worker-1`, `group rack-7`, `API token grafana`. */
export function subjectText({ kind, id }: Subject): string {
  return kind === 'api' ? `API token ${id}` : `${kind} ${id}`;
}

export function lineOf({ subject, hash, expiresUnixMs, scopes = [] }: Omit<TokenLine, 'index'>): string {
  return subject.kind === 'api'
    ? apiTokenLine({ name: subject.id, scopes, hash, expiresUnixMs })
    : workerTokenLine(subject, hash, expiresUnixMs);
}

export interface Change {
  readonly text: string;
  /** Lines that are gone, as they stood. */
  readonly removed: readonly TokenLine[];
}

/**
 * Without the tokens of that subject.
 * @throws PulselaneError `not_found` if it has none, `failed_precondition` if no token would be left
 */
export function revoked(text: string, subject: Subject, where: string): Change {
  const lines = tokenLines(text, where);
  const removed = linesOf(lines, subject, where);
  if (removed.length === lines.length) {
    throw new PulselaneError(
      'failed_precondition',
      `${where} would hold no token any more, and a master refuses such a file and keeps the tokens it has: ` +
        'make another token first, or stop the master',
    );
  }
  return { text: edited(text, new Map(removed.map(({ index }) => [index, []]))), removed };
}

export interface Rotation {
  readonly subject: Subject;
  /** Of the new token. */
  readonly hash: string;
  /** Of the new token; `as before`: an old one that lasts has one that lasts for its successor. */
  readonly expires: { readonly unixMs: number | undefined } | 'as before';
  /** How long the old one is still good; 0: not at all. */
  readonly keepOldMs: number;
  readonly nowUnixMs: number;
}

export interface Rotated extends Change {
  /** Of the new token. */
  readonly added: readonly TokenLine[];
  /** When the last of the old tokens expires; undefined: none is left. */
  readonly oldUntilUnixMs: number | undefined;
}

/**
 * With a new token for the same subjects, beside the old one, which expires. Old tokens that have expired are removed.
 * @throws PulselaneError `not_found` if there is no token of that subject, `invalid_argument` if its expiry has to be
 * told, `failed_precondition` if it is not clear what the new token is to be for
 */
export function rotated(text: string, rotation: Rotation, where: string): Rotated {
  const { subject, hash, keepOldMs, nowUnixMs } = rotation;
  const lines = tokenLines(text, where);
  const hashes = new Set(linesOf(lines, subject, where).map((line) => line.hash));
  const old = lines.filter((line) => hashes.has(line.hash));
  const alive = old.filter(({ expiresUnixMs }) => !isExpired(expiresUnixMs, nowUnixMs));
  const model = modelOf(alive.length > 0 ? alive : old, subject);
  const expiresUnixMs = newExpiry(rotation, model[0] as TokenLine);
  const added = model.map((line) => ({ ...line, hash, expiresUnixMs }));

  const keepUntilUnixMs = Math.ceil((nowUnixMs + keepOldMs) / 1000) * 1000;
  const changes = new Map<number, string[]>();
  const removed: TokenLine[] = [];
  let oldUntilUnixMs: number | undefined;
  for (const line of old) {
    const untilUnixMs = Math.min(line.expiresUnixMs ?? Number.POSITIVE_INFINITY, keepUntilUnixMs);
    if (keepOldMs === 0 || isExpired(line.expiresUnixMs, nowUnixMs)) {
      changes.set(line.index, []);
      removed.push(line);
      continue;
    }
    changes.set(line.index, [lineOf({ ...line, expiresUnixMs: untilUnixMs })]);
    oldUntilUnixMs = Math.max(untilUnixMs, oldUntilUnixMs ?? 0);
  }
  // The successor stands where its predecessor does, below the same comment.
  for (const line of added) changes.set(line.index, [lineOf(line), ...(changes.get(line.index) ?? [])]);
  return { text: edited(text, changes), removed, added, oldUntilUnixMs };
}

/** Of the subject's tokens the lines of the one that lasts longest: what the new one is to be for. */
function modelOf(lines: readonly TokenLine[], subject: Subject): readonly TokenLine[] {
  const byHash = Map.groupBy(lines, (line) => line.hash);
  const purposes = new Set(Array.from(byHash.values(), (of) => of.map(purposeOf).sort().join(', ')));
  if (purposes.size > 1) {
    throw new PulselaneError(
      'failed_precondition',
      `${subjectText(subject)} has tokens that are for different things (${[...purposes].join('; ')}): ` +
        'revoke it, and create the token that you want',
    );
  }
  const lastOf = (of: readonly TokenLine[]) => of[0]?.expiresUnixMs ?? Number.POSITIVE_INFINITY;
  return [...byHash.values()].reduce((longest, of) => (lastOf(of) > lastOf(longest) ? of : longest));
}

function purposeOf({ subject, scopes }: TokenLine): string {
  return subjectText(subject) + (scopes === undefined ? '' : ` ${scopes.join(',')}`);
}

function newExpiry({ expires, subject }: Rotation, { expiresUnixMs }: TokenLine): number | undefined {
  if (expires !== 'as before') return expires.unixMs;
  if (expiresUnixMs === undefined) return undefined;
  throw new PulselaneError(
    'invalid_argument',
    `the token of ${subjectText(subject)} expires: expected --expires <when> for the new one, such as --expires 30d; ` +
      '--expires never makes one that does not',
  );
}

/** @throws PulselaneError `not_found` */
function linesOf(lines: readonly TokenLine[], subject: Subject, where: string): TokenLine[] {
  const found = lines.filter((line) => isSame(line.subject, subject));
  if (found.length > 0) return found;
  throw new PulselaneError(
    'not_found',
    `${where} holds no token for ${subjectText(subject)}; "pulselane token list" shows all`,
  );
}

/** @param changes the lines that stand in the place of a line, by its index */
function edited(text: string, changes: ReadonlyMap<number, readonly string[]>): string {
  return text
    .split('\n')
    .flatMap((line, index) => changes.get(index) ?? [line])
    .join('\n');
}
