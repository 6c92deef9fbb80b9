/** By which token each open connection was let in last: a stream must not outlive the token that opened it. */
import type { Socket } from 'node:net';

export class Holders {
  readonly #hashes = new Map<Socket, string>();

  /** @param hash of the token */
  note(socket: Socket, hash: string): void {
    if (!this.#hashes.has(socket)) socket.once('close', () => this.#hashes.delete(socket));
    this.#hashes.set(socket, hash);
  }

  /** Ends the connections of all tokens but these; others go on. */
  keepOnly(hashes: ReadonlySet<string>): void {
    for (const [socket, hash] of this.#hashes) if (!hashes.has(hash)) socket.destroy();
  }

  get size(): number {
    return this.#hashes.size;
  }
}
