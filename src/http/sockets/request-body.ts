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
 * until its request has its answer. So large bodies that arrive slowly never refuse a small one.
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

  /** The request with a body of so many bytes has its answer. */
  giveBack(bytes: number): void {
    this.#taken -= Math.max(0, bytes - this.#smallBytes);
  }
}

/** A body that was read, or not. */
export interface ReadBody {
  readonly outcome: BodyOutcome;
  /** The request has its answer: lets go of the body and gives back its room. */
  readonly release: () => void;
}

const TOO_LARGE: ReadBody = { outcome: 'too large', release: () => {} };

/**
 * Reads the body of a request into `rawBody`, where node-server finds it.
 * @returns undefined if there is no body
 */
export function readBounded(incoming: Incoming, limits: BodyLimits): Promise<ReadBody> | undefined {
  const { headers } = incoming;
  if (headers === undefined) return undefined;
  const length = headers['content-length'];
  const isChunked = headers['transfer-encoding'] !== undefined;
  if (!isChunked && (length === undefined || length === '0')) return undefined;
  if (!isChunked && Number(length) > limits.maxBytes) return Promise.resolve(TOO_LARGE);
  return collect(incoming as IncomingMessage & Incoming, limits);
}

function collect(incoming: IncomingMessage & Incoming, { maxBytes, room }: BodyLimits): Promise<ReadBody> {
  const { promise, resolve } = Promise.withResolvers<ReadBody>();
  let chunks: Buffer[] = [];
  let bytes = 0;
  // Not when the request closes: that comes right after its last byte, when the body only begins to be used.
  const release = () => {
    delete incoming.rawBody;
    room?.giveBack(bytes);
    bytes = 0;
  };
  const over = (outcome: BodyOutcome) => {
    incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
    if (outcome === 'whole') incoming.rawBody = Buffer.concat(chunks);
    else release();
    chunks = [];
    resolve({ outcome, release });
  };
  const onData = (chunk: Buffer) => {
    const hasRoom = room === undefined || room.grow(bytes, bytes + chunk.length);
    if (hasRoom) {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= maxBytes) return;
    }
    incoming.pause();
    over(hasRoom ? 'too large' : 'no room');
  };
  const onEnd = () => over('whole');
  const onBroken = () => over('broken');
  incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  return promise;
}
