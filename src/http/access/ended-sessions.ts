/**
 * Sessions that were logged out before their time. A session is a sealed cookie, of which nothing is kept: so those are
 * remembered that are no longer valid, until they would have ended by themselves. Kept by the http thread, and by main for
 * the next one; a restart of the master forgets them.
 */
import { MAX_ENDED_SESSIONS } from '../http-limits.ts';
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

  /**
   * How that session is to be ended. If too many are remembered, all others that there are of the token with the most of
   * them end with it: whoever logs in and out all the time pays for it alone.
   */
  endOf({ name, expiresUnixS }: Session, nowUnixS: number): readonly EndedSession[] {
    this.#forget(nowUnixS);
    const one = { name, expiresUnixS, andEarlier: false };
    if (this.#ended.size < MAX_ENDED_SESSIONS) return [one];
    const most = this.#nameOfMost();
    // Rounded as a session's end is, when it begins.
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

  /** All that matter now, to be added elsewhere. */
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
