/** By which token each open connection was let in last: a stream must not outlive the token that opened it. */
import type { Socket } from 'node:net';

export class Holders {
  readonly #hashes = new Map<Socket, string>();

  /** @param hash of the token */
  note(socket: Socket, hash: string): void {
    if (!this.#hashes.has(socket)) socket.once('close', () => this.#hashes.delete(socket));
    this.#hashes.set(socket, hash);
  }

  /** The connections of all tokens but these. */
  others(hashes: ReadonlySet<string>): Socket[] {
    return [...this.#hashes].filter(([, hash]) => !hashes.has(hash)).map(([socket]) => socket);
  }

  get size(): number {
    return this.#hashes.size;
  }
}
