/** Reads request bodies, up to a limit. */
import type { IncomingMessage } from 'node:http';

type Incoming = Partial<IncomingMessage> & { rawBody?: Buffer };

/**
 * `too large`: at most the allowed bytes were read, or none if Content-Length already exceeded the limit. `no room`: the
 * memory for large bodies is used up.
 */
export type BodyOutcome = 'whole' | 'too large' | 'no room' | 'broken';

/** How much of a body may be read. */
export interface BodyLimits {
  readonly maxBytes: number;
  /** What all large bodies share; undefined: bodies are small. */
  readonly room?: BodyRoom | undefined;
}

/**
 * The memory for large bodies, shared by all of them: a body takes some of it with each part beyond the first `smallBytes`,
 * until its request is over. So large bodies that arrive slowly never refuse a small one.
 */
export class BodyRoom {
  readonly #smallBytes: number;
  readonly #maxBytes: number;
  #taken = 0;

  constructor(smallBytes: number, maxBytes: number) {
    this.#smallBytes = smallBytes;
    this.#maxBytes = maxBytes;
  }

  /** In bytes, of all bodies. */
  get taken(): number {
    return this.#taken;
  }

  /** A body has grown from `before` to `after` bytes. @returns whether there is room for that */
  grow(before: number, after: number): boolean {
    const more = Math.max(0, after - this.#smallBytes) - Math.max(0, before - this.#smallBytes);
    if (more > 0 && this.#taken + more > this.#maxBytes) return false;
    this.#taken += more;
    return true;
  }

  /** The request with a body of so many bytes is over. */
  giveBack(bytes: number): void {
    this.#taken -= Math.max(0, bytes - this.#smallBytes);
  }
}

/**
 * Reads the body of a request into `rawBody`, where node-server finds it.
 * @returns undefined if there is no body
 */
export function readBounded(incoming: Incoming, limits: BodyLimits): Promise<BodyOutcome> | undefined {
  const { headers } = incoming;
  if (headers === undefined) return undefined;
  const length = headers['content-length'];
  const isChunked = headers['transfer-encoding'] !== undefined;
  if (!isChunked && (length === undefined || length === '0')) return undefined;
  if (!isChunked && Number(length) > limits.maxBytes) return Promise.resolve('too large');
  return collect(incoming as IncomingMessage & Incoming, limits);
}

function collect(incoming: IncomingMessage & Incoming, { maxBytes, room }: BodyLimits): Promise<BodyOutcome> {
  const { promise, resolve } = Promise.withResolvers<BodyOutcome>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    const hasRoom = room === undefined || room.grow(bytes, bytes + chunk.length);
    if (hasRoom) {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= maxBytes) return;
    }
    stop();
    incoming.pause();
    resolve(hasRoom ? 'too large' : 'no room');
  };
  const onEnd = () => {
    stop();
    incoming.rawBody = Buffer.concat(chunks);
    resolve('whole');
  };
  const onBroken = () => {
    stop();
    resolve('broken');
  };
  const stop = () => {
    incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
  };
  // After the answer, or when the connection is gone.
  if (room !== undefined) incoming.once('close', () => room.giveBack(bytes));
  incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  return promise;
}
