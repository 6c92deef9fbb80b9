/**
 * Sessions that were logged out. Nothing is stored of a valid session (it is a sealed cookie), so the ended ones are
 * remembered until they would have expired. The HTTP thread keeps them, and main keeps them for the next HTTP thread;
 * a restart of the master forgets them.
 */
import { MAX_ENDED_SESSIONS } from '../http-limits.ts';
import { SESSION_S, type Session } from './session.ts';

/** A session that was logged out; with `andEarlier`, also all sessions of its token that expire no later. */
export interface EndedSession extends Session {
  readonly andEarlier: boolean;
}

export class EndedSessions {
  readonly #ended = new Map<string, Session>();
  /** By token name: all its sessions that expire until then have ended. At most one entry per token. */
  readonly #allUntilS = new Map<string, number>();

  get size(): number {
    return this.#ended.size;
  }

  /**
   * How to end a session. If too many are remembered, all other sessions of the token with the most entries end too: a
   * client that logs in and out all the time affects only its own token.
   */
  endOf({ name, expiresUnixS }: Session, nowUnixS: number): readonly EndedSession[] {
    this.#forget(nowUnixS);
    const one = { name, expiresUnixS, andEarlier: false };
    if (this.#ended.size < MAX_ENDED_SESSIONS) return [one];
    const most = this.#nameOfMost();
    // Rounded as in a session's expiry.
    const all = { name: most, expiresUnixS: Math.floor(nowUnixS) + SESSION_S, andEarlier: true };
    return most === name ? [all] : [all, one];
  }

  add(ended: EndedSession, nowUnixS: number): void {
    this.#forget(nowUnixS);
    const { name, expiresUnixS, andEarlier } = ended;
    if (!andEarlier) {
      this.#ended.set(keyOf(ended), { name, expiresUnixS });
      return;
    }
    this.#allUntilS.set(name, Math.max(expiresUnixS, this.#allUntilS.get(name) ?? 0));
    for (const [key, session] of this.#ended) if (session.name === name) this.#ended.delete(key);
  }

  has(session: Session): boolean {
    return this.#ended.has(keyOf(session)) || session.expiresUnixS <= (this.#allUntilS.get(session.name) ?? 0);
  }

  /** All that still matter, to be added to another instance. */
  list(nowUnixS: number): readonly EndedSession[] {
    this.#forget(nowUnixS);
    return [
      ...Array.from(this.#ended.values(), (session) => ({ ...session, andEarlier: false })),
      ...Array.from(this.#allUntilS, ([name, expiresUnixS]) => ({ name, expiresUnixS, andEarlier: true })),
    ];
  }

  #nameOfMost(): string {
    const counts = new Map<string, number>();
    for (const { name } of this.#ended.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
    const [[name] = ['']] = [...counts].sort(([, left], [, right]) => right - left);
    return name;
  }

  #forget(nowUnixS: number): void {
    for (const [key, { expiresUnixS }] of this.#ended) if (expiresUnixS <= nowUnixS) this.#ended.delete(key);
    for (const [name, untilS] of this.#allUntilS) if (untilS <= nowUnixS) this.#allUntilS.delete(name);
  }
}

function keyOf({ name, expiresUnixS }: Session): string {
  return `${name}~${expiresUnixS}`;
}
