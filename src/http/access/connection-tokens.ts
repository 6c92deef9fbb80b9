/**
 * The token and session last used on each open connection: a stream must outlive neither. Expiry is checked by the wall
 * clock, because files and cookies name wall-clock times and the clock may be set meanwhile.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Session } from './session.ts';

/** The holder of a token or session. */
export interface TokenHolder {
  /** The token's hash. */
  readonly hash: string;
  /** When the token expires; undefined: never. */
  readonly expiresUnixMs: number | undefined;
  /** Undefined if the request carried the token itself. */
  readonly session: Session | undefined;
}

/** What has expired: the session, or the token. */
export type HolderEnd = 'session_over' | 'token_expired';

interface Held extends TokenHolder {
  timer: Timer | undefined;
  /** Its end was reported. If the clock is then set back and the session is used again, its end is reported again. */
  isOver: boolean;
}

/**
 * The longest timer: the wall clock may be set while it runs, and setTimeout fires at once for more than 24 days.
 */
const LOOK_EVERY_MS = 60_000;

export class ConnectionTokens {
  readonly #clock: Clock;
  readonly #onEnd: (socket: Socket, end: HolderEnd) => void;
  readonly #held = new Map<Socket, Held>();

  /** @param onEnd the session or token last used on this connection has expired */
  constructor(clock: Clock, onEnd: (socket: Socket, end: HolderEnd) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  note(socket: Socket, { hash, expiresUnixMs, session }: TokenHolder): void {
    const held = this.#held.get(socket);
    if (held === undefined) socket.once('close', () => this.#closed(socket));
    else if (held.hash === hash && isSame(held.session, session) && !held.isOver) return;
    held?.timer?.cancel();
    this.#watch(socket, { hash, expiresUnixMs, session });
  }

  /**
   * Sets the valid tokens. Connections that use one of them are held to its expiry.
   * @param expiries by hash
   * @returns the connections that use any other token
   */
  setTokens(expiries: ReadonlyMap<string, number | undefined>): Socket[] {
    for (const [socket, { hash, session, timer }] of this.#held) {
      if (!expiries.has(hash)) continue;
      timer?.cancel();
      this.#watch(socket, { hash, expiresUnixMs: expiries.get(hash), session });
    }
    return this.#where(({ hash }) => !expiries.has(hash));
  }

  /** The connections of ended sessions. */
  of(isOver: (session: Session) => boolean): Socket[] {
    return this.#where(({ session }) => session !== undefined && isOver(session));
  }

  get size(): number {
    return this.#held.size;
  }

  #where(isMeant: (held: Held) => boolean): Socket[] {
    return [...this.#held].filter(([, held]) => isMeant(held)).map(([socket]) => socket);
  }

  #watch(socket: Socket, holder: TokenHolder): void {
    const held: Held = { ...holder, timer: undefined, isOver: false };
    this.#held.set(socket, held);
    const endsUnixMs = Math.min(
      holder.expiresUnixMs ?? Number.POSITIVE_INFINITY,
      holder.session === undefined ? Number.POSITIVE_INFINITY : holder.session.expiresUnixS * 1000,
    );
    if (endsUnixMs === Number.POSITIVE_INFINITY) return;
    const look = () => {
      const leftMs = endsUnixMs - this.#clock.wallMs();
      if (leftMs > 0) {
        held.timer = this.#clock.after(Math.min(leftMs, LOOK_EVERY_MS), look);
        return;
      }
      held.isOver = true;
      this.#onEnd(socket, endsUnixMs === holder.expiresUnixMs ? 'token_expired' : 'session_over');
    };
    held.timer = this.#clock.after(Math.min(Math.max(0, endsUnixMs - this.#clock.wallMs()), LOOK_EVERY_MS), look);
  }

  #closed(socket: Socket): void {
    this.#held.get(socket)?.timer?.cancel();
    this.#held.delete(socket);
  }
}

function isSame(left: Session | undefined, right: Session | undefined): boolean {
  return left?.name === right?.name && left?.expiresUnixS === right?.expiresUnixS;
}
