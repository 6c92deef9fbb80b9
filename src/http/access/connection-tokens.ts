/** By which token, and by which session, each open connection was let in last: a stream must not outlive either. */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Session } from './session.ts';

/** Who was let in. */
export interface TokenHolder {
  /** Of the token. */
  readonly hash: string;
  /** Undefined where the token itself was shown. */
  readonly session: Session | undefined;
}

interface Held extends TokenHolder {
  readonly expiry: Timer | undefined;
  /** It was told. Where the clock was set back meanwhile, the session may come again, and is to be told again. */
  isOver: boolean;
}

export class ConnectionTokens {
  readonly #clock: Clock;
  readonly #sessionOver: (socket: Socket) => void;
  readonly #held = new Map<Socket, Held>();

  /** @param sessionOver the session by which that connection was let in last has reached its end */
  constructor(clock: Clock, sessionOver: (socket: Socket) => void) {
    this.#clock = clock;
    this.#sessionOver = sessionOver;
  }

  note(socket: Socket, holder: TokenHolder): void {
    const held = this.#held.get(socket);
    if (held === undefined) socket.once('close', () => this.#closed(socket));
    else if (held.hash === holder.hash && isSame(held.session, holder.session) && !held.isOver) return;
    held?.expiry?.cancel();
    const { hash, session } = holder;
    const expiry = session && this.#expiryOf(socket, session);
    this.#held.set(socket, { hash, session, expiry, isOver: false });
  }

  /** The connections of all tokens but these. */
  others(hashes: ReadonlySet<string>): Socket[] {
    return this.#where(({ hash }) => !hashes.has(hash));
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

  #expiryOf(socket: Socket, { expiresUnixS }: Session): Timer {
    return this.#clock.after(Math.max(0, expiresUnixS * 1000 - this.#clock.wallMs()), () => {
      const held = this.#held.get(socket);
      if (held !== undefined) held.isOver = true;
      this.#sessionOver(socket);
    });
  }

  #closed(socket: Socket): void {
    this.#held.get(socket)?.expiry?.cancel();
    this.#held.delete(socket);
  }
}

function isSame(left: Session | undefined, right: Session | undefined): boolean {
  return left?.name === right?.name && left?.expiresUnixS === right?.expiresUnixS;
}
