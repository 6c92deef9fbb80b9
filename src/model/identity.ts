/**
 * Which workers a peer may speak for, by its token or certificate: workers by id, or all workers of a group. Pure
 * functions; sockets and files are elsewhere.
 */
import { expiryWord } from '../lib/token-expiry.ts';
import { badLine, EXPIRY_FORM, hashLines } from '../lib/tokens.ts';
import { workerIdProblem } from './worker-id.ts';
import { MAX_GROUP_BYTES } from './worker-info.ts';

/** What one credential allows. */
export interface Grant {
  readonly workers: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** Facts of the worker that a peer speaks for. */
export interface Claim {
  readonly workerId: string;
  /** The worker's group; undefined: the worker is unknown. */
  readonly knownGroup: string | undefined;
  /** The group named in a registration; undefined for other calls. */
  readonly namedGroup: string | undefined;
  /** Whether there is a token for exactly this worker. */
  readonly hasOwnToken: boolean;
}

/**
 * Why this peer may not speak for that worker; undefined if it may. A group's token registers workers in its group; it
 * can neither take over a worker of another group nor move one out of its own: the group of a known worker counts, not
 * the one in the request. A worker with its own token joins a group only with that token.
 */
export function refusalOf(
  { workers, groups }: Grant,
  { workerId, knownGroup, namedGroup, hasOwnToken }: Claim,
): string | undefined {
  if (workers.has(workerId)) return undefined;
  if (groups.size === 0) return `it may not speak for ${workerId}`;
  if (knownGroup !== undefined && !groups.has(knownGroup)) {
    return `it may not speak for ${workerId}, which belongs to ${groupText(knownGroup)}`;
  }
  if (namedGroup !== undefined && !groups.has(namedGroup)) {
    // Usually the worker itself, started without its group.
    const [group] = groups;
    return `it may not register ${workerId} in ${groupText(namedGroup)}; it may in ${groupsText(groups)} (agent: --group ${group})`;
  }
  if (knownGroup === undefined && hasOwnToken) {
    return `it may not speak for ${workerId}, which must first register with its own token`;
  }
  if (knownGroup === undefined && namedGroup === undefined) {
    return `it may not speak for ${workerId}, which must first be registered in its group`;
  }
  return undefined;
}

function groupText(group: string): string {
  return group === '' ? 'no group' : `group ${group}`;
}

function groupsText(groups: ReadonlySet<string>): string {
  return namesText(Array.from(groups, (id) => ({ kind: 'group', id })));
}

// ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The subject of a worker token. */
export type TokenSubject =
  | { readonly kind: 'worker'; readonly id: string }
  | { readonly kind: 'group'; readonly id: string };

/** A token as described by a file. */
export interface WorkerToken {
  readonly hash: string;
  readonly grant: Grant;
  /** For logs and events. */
  readonly name: string;
  /** Its subjects, in the order of the lines. */
  readonly subjects: readonly TokenSubject[];
  /** Undefined: never. */
  readonly expiresUnixMs: number | undefined;
}

const WORKER_LINE =
  '"worker:<id> sha256:<64 hexadecimal digits>" or "group:<name> sha256:<…>", id and name percent-encoded, ' +
  `and ${EXPIRY_FORM} before the hash of a token that expires`;

/** Why it cannot be the group of a token; undefined if it can. A token for workers without a group is not possible. */
export function groupProblem(group: string): string | undefined {
  if (group === '') return 'a group that is not empty';
  return workerIdProblem(group) === undefined && Buffer.byteLength(group) <= MAX_GROUP_BYTES
    ? undefined
    : `a group of at most ${MAX_GROUP_BYTES} bytes of UTF-8 without control characters`;
}

/** Formats a line that {@link parseWorkerTokens} reads. */
export function workerTokenLine({ kind, id }: TokenSubject, hash: string, expiresUnixMs?: number): string {
  return `${kind}:${encodeURIComponent(id)} ${expiryWord(expiresUnixMs)}sha256:${hash}`;
}

/**
 * A token with several lines speaks for all subjects that they name, and has one expiry.
 * @param where name of the file, for errors
 * @throws PulselaneError `bad_setting`, naming file and line
 */
export function parseWorkerTokens(text: string, where: string): WorkerToken[] {
  const tokens = new Map<string, { readonly subjects: TokenSubject[]; readonly expiresUnixMs: number | undefined }>();
  for (const { where: at, words, hash, expiresUnixMs } of hashLines(text, where, WORKER_LINE)) {
    const [, kind, name] = (words.length === 1 && /^(worker|group):(\S+)$/.exec(words[0] as string)) || [];
    const id = name === undefined ? undefined : decoded(name);
    if ((kind !== 'worker' && kind !== 'group') || id === undefined) throw badLine(at, WORKER_LINE);
    const problem = kind === 'worker' ? workerIdProblem(id) : groupProblem(id);
    if (problem !== undefined) throw badLine(at, kind === 'worker' ? `a worker's id, but ${problem}` : problem);
    const known = tokens.get(hash);
    if (known !== undefined && known.expiresUnixMs !== expiresUnixMs) {
      throw badLine(at, 'the expiry of the other lines of this token');
    }
    if (known === undefined) tokens.set(hash, { subjects: [{ kind, id }], expiresUnixMs });
    else known.subjects.push({ kind, id });
  }
  return Array.from(tokens, ([hash, { subjects, expiresUnixMs }]) => tokenOf(hash, subjects, expiresUnixMs));
}

export function tokenOf(hash: string, subjects: readonly TokenSubject[], expiresUnixMs?: number): WorkerToken {
  return { hash, grant: grantOf(subjects), name: `the token of ${namesText(subjects)}`, subjects, expiresUnixMs };
}

export function grantOf(subjects: readonly TokenSubject[]): Grant {
  const idsOf = (kind: TokenSubject['kind']) => new Set(subjects.filter((s) => s.kind === kind).map(({ id }) => id));
  return { workers: idsOf('worker'), groups: idsOf('group') };
}

/** Longer lists are shortened, so that they do not fill the log. */
const MAX_NAMES_SHOWN = 3;

function namesText(subjects: readonly TokenSubject[]): string {
  const names = subjects.slice(0, MAX_NAMES_SHOWN).map(({ kind, id }) => (kind === 'group' ? `group ${id}` : id));
  const more = subjects.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

// ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The names in a peer's verified certificate, as provided by Node. */
export interface CertificateNames {
  /** Format of `tls`: `DNS:worker-1, URI:urn:…`. */
  readonly subjectaltname?: string | undefined;
  readonly subject?: { readonly CN?: string | readonly string[] | undefined } | undefined;
}

const WORKER_URN = 'urn:pulselane:worker:';
const GROUP_URN = 'urn:pulselane:group:';

/**
 * DNS names are worker ids; URIs are `urn:pulselane:worker:<id>` and `urn:pulselane:group:<name>`, percent-encoded. The
 * common name counts only if there are no other names, as in RFC 6125. Undefined if there are no valid names.
 */
export function subjectsOfCertificate({ subjectaltname, subject }: CertificateNames): TokenSubject[] | undefined {
  const subjects =
    subjectaltname === undefined || subjectaltname === ''
      ? commonNameOf(subject?.CN)
      : altNames(subjectaltname).flatMap(([type, value]) => subjectOfName(type, value));
  return subjects.length === 0 ? undefined : subjects;
}

export function certificateName(subjects: readonly TokenSubject[]): string {
  return `the certificate of ${namesText(subjects)}`;
}

function commonNameOf(name: string | readonly string[] | undefined): TokenSubject[] {
  return typeof name === 'string' && workerIdProblem(name) === undefined ? [{ kind: 'worker', id: name }] : [];
}

function subjectOfName(type: string, value: string): TokenSubject[] {
  if (type === 'DNS') return workerIdProblem(value) === undefined ? [{ kind: 'worker', id: value }] : [];
  if (type !== 'URI') return [];
  if (value.startsWith(WORKER_URN)) {
    const id = decoded(value.slice(WORKER_URN.length));
    return id === undefined || workerIdProblem(id) !== undefined ? [] : [{ kind: 'worker', id }];
  }
  if (!value.startsWith(GROUP_URN)) return [];
  const id = decoded(value.slice(GROUP_URN.length));
  return id === undefined || groupProblem(id) !== undefined ? [] : [{ kind: 'group', id }];
}

/**
 * Parses the pairs of type and value. Node writes a value with a comma or quote as a JSON string, so that a name cannot
 * contain another one (CVE-2021-44532); anything malformed is ignored.
 */
function altNames(text: string): [type: string, value: string][] {
  const names: [string, string][] = [];
  const name = /([^:,"]+):(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?:, |$)/y;
  while (name.lastIndex < text.length) {
    const match = name.exec(text);
    if (match === null) return [];
    const [, type, quoted, plain] = match;
    try {
      names.push([type as string, quoted === undefined ? (plain as string) : (JSON.parse(`"${quoted}"`) as string)]);
    } catch {
      return [];
    }
  }
  return names;
}
