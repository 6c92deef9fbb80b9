/**
 * Sessions that were logged out before their time. A session is a sealed cookie, of which nothing is kept: so those are
 * remembered that are no longer valid, until they would have ended by themselves. Kept by the http thread, and by main for
 * the next one; a restart of the master forgets them.
 */
import { MAX_ENDED_SESSIONS } from '../limits.ts';
import { SESSION_S, type Session } from './session.ts';

/** One that was logged out; with `andEarlier`, all of its token that end no later. */
export interface EndedSession extends Session {
  readonly andEarlier: boolean;
}

export class EndedSessions {
  readonly #ended = new Map<string, Session>();
  /** By the token's name: all of its sessions that end up to then are over. As many as there are tokens. */
  readonly #allUntilS = new Map<string, number>();

  get size(): number {
    return this.#ended.size;
  }

  /** How that session is to be ended: with all others of its token that there are, if too many are remembered. */
  endOf({ name, expiresUnixS }: Session, nowUnixS: number): EndedSession {
    this.#forget(nowUnixS);
    return this.#ended.size < MAX_ENDED_SESSIONS
      ? { name, expiresUnixS, andEarlier: false }
      : { name, expiresUnixS: Math.ceil(nowUnixS) + SESSION_S, andEarlier: true };
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

  /** All that matter now, to be added elsewhere. */
  list(nowUnixS: number): readonly EndedSession[] {
    this.#forget(nowUnixS);
    return [
      ...Array.from(this.#ended.values(), (session) => ({ ...session, andEarlier: false })),
      ...Array.from(this.#allUntilS, ([name, expiresUnixS]) => ({ name, expiresUnixS, andEarlier: true })),
    ];
  }

  #forget(nowUnixS: number): void {
    for (const [key, { expiresUnixS }] of this.#ended) if (expiresUnixS <= nowUnixS) this.#ended.delete(key);
    for (const [name, untilS] of this.#allUntilS) if (untilS <= nowUnixS) this.#allUntilS.delete(name);
  }
}

function keyOf({ name, expiresUnixS }: Session): string {
  return `${name}~${expiresUnixS}`;
}
