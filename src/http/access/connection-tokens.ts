/**
 * By which token, and by which session, each open connection was let in last: a stream must not outlive either. What
 * expires is looked at by the wall clock: files and cookies name moments of it, and it may be set meanwhile.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Session } from './session.ts';

/** Who was let in. */
export interface TokenHolder {
  /** Of the token. */
  readonly hash: string;
  /** When the token expires; undefined: never. */
  readonly expiresUnixMs: number | undefined;
  /** Undefined where the token itself was shown. */
  readonly session: Session | undefined;
}

/** What has ended: the session, or the token by which the connection was let in. */
export type HolderEnd = 'session_over' | 'token_expired';

interface Held extends TokenHolder {
  timer: Timer | undefined;
  /** It was told. Where the clock was set back meanwhile, the session may come again, and is to be told again. */
  isOver: boolean;
}

/**
 * A timer counts time that passes, and the wall clock may be set; and a timer of more than 24 days would fire at once.
 * So none is longer than this.
 */
const LOOK_EVERY_MS = 60_000;

export class ConnectionTokens {
  readonly #clock: Clock;
  readonly #onEnd: (socket: Socket, end: HolderEnd) => void;
  readonly #held = new Map<Socket, Held>();

  /** @param onEnd the session or the token by which that connection was let in last has reached its end */
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
   * These are the tokens from now on: whoever came by one of them is held to its expiry.
   * @param expiries by hash
   * @returns the connections of all other tokens
   */
  setTokens(expiries: ReadonlyMap<string, number | undefined>): Socket[] {
    for (const [socket, { hash, session, timer }] of this.#held) {
      if (!expiries.has(hash)) continue;
      timer?.cancel();
      this.#watch(socket, { hash, expiresUnixMs: expiries.get(hash), session });
    }
    return this.#where(({ hash }) => !expiries.has(hash));
  }

  /** The connections of sessions that are over. */
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
