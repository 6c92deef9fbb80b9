/**
 * What gRPC keeps of messages that are not whole yet. grpc-js bounds the size of a message, and not how many may be
 * under way: a client that begins a thousand large ones on a connection and ends none would take 4 GiB. So the memory is
 * counted, and when it is too much the connection that has kept some for longest is cut. Honest messages are whole
 * within a round trip or two, and most within the first bytes that come of them.
 *
 * grpc-js shows no bytes; they are seen on the HTTP/2 streams that it reads.
 */
import type { Http2Server, Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';

export interface UnfinishedOptions {
  /** What may be kept at a time, over all connections. */
  readonly maxBytes: number;
  /** Calls that carry several messages, each handed over when it is whole; of others all is kept until they end. */
  readonly streamedPaths: ReadonlySet<string>;
  /** A connection is cut. */
  readonly onCut: () => void;
}

/** RFC 9113, section 7: ENHANCE_YOUR_CALM. */
const CALM_DOWN = 11;
/** In front of each message: one byte says whether it is compressed, four how long it is. */
const PREFIX_BYTES = 5;
/** What an object costs that stands for a piece of a message, however small the piece. */
const PIECE_BYTES = 128;

/** What one call has begun to send and not finished. */
interface Unfinished {
  readonly session: Http2Session;
  /** Oldest first. */
  readonly pieces: ArrayBufferLike[];
}

export class UnfinishedMessages {
  readonly #options: UnfinishedOptions;
  readonly #connections = new Map<Http2Session, KeptMemory>();
  /** Those that keep something, in the order in which they began to. */
  readonly #unfinished = new Set<Unfinished>();
  #bytes = 0;

  constructor(options: UnfinishedOptions) {
    this.#options = options;
  }

  /** What is kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From now on. Whoever reads the server's streams listens to it already. */
  watch(server: Http2Server): void {
    server.on('stream', (stream, headers) => this.#begun(stream as ServerHttp2Stream, headers));
  }

  #begun(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { session } = stream;
    if (session === undefined || headers['content-type']?.startsWith('application/grpc') !== true) return;
    // Nobody reads it: a listener of ours would have the bytes come.
    if (stream.readableFlowing === null) return;
    const isStreamed = this.#options.streamedPaths.has(headers[':path'] ?? '');
    const boundaries = new MessageBoundaries();
    const unfinished: Unfinished = { session, pieces: [] };
    stream.on('data', (chunk: Buffer) => {
      const endsWhole = boundaries.pass(chunk);
      if (isStreamed && boundaries.passed) this.#letGo(unfinished);
      if (!isStreamed || !endsWhole) this.#keep(unfinished, chunk.buffer);
    });
    const over = () => this.#letGo(unfinished);
    stream.on('end', over);
    stream.on('close', over);
  }

  #keep(unfinished: Unfinished, piece: ArrayBufferLike): void {
    const { session, pieces } = unfinished;
    if (pieces.length === 0) this.#unfinished.add(unfinished);
    pieces.push(piece);
    let memory = this.#connections.get(session);
    if (memory === undefined) {
      memory = new KeptMemory();
      this.#connections.set(session, memory);
    }
    this.#bytes += memory.keep(piece);
    if (this.#bytes > this.#options.maxBytes) this.#cutOldest();
  }

  #letGo(unfinished: Unfinished): void {
    const { session, pieces } = unfinished;
    if (pieces.length === 0) return;
    this.#unfinished.delete(unfinished);
    const memory = this.#connections.get(session);
    for (const piece of pieces.splice(0)) this.#bytes -= memory?.letGo(piece) ?? 0;
    if (memory?.isEmpty) this.#connections.delete(session);
  }

  #cutOldest(): void {
    for (const unfinished of this.#unfinished) {
      const { session } = unfinished;
      this.#unfinished.delete(unfinished);
      const memory = this.#connections.get(session);
      // Cut before: its streams close after this turn.
      if (memory === undefined) continue;
      this.#connections.delete(session);
      this.#bytes -= memory.bytes;
      this.#options.onCut();
      session.destroy(undefined, CALM_DOWN);
      return;
    }
  }
}

/**
 * What pieces of one connection take. Each is cut out of the memory into which the socket was read, all of which is kept
 * for as long as one of its pieces is, whatever else came with it; so it is that memory which counts, once.
 */
class KeptMemory {
  readonly #pieces = new Map<ArrayBufferLike, number>();
  bytes = 0;

  get isEmpty(): boolean {
    return this.#pieces.size === 0;
  }

  /** @returns the bytes that are kept more than before */
  keep(piece: ArrayBufferLike): number {
    const before = this.#pieces.get(piece) ?? 0;
    this.#pieces.set(piece, before + 1);
    const more = PIECE_BYTES + (before === 0 ? piece.byteLength : 0);
    this.bytes += more;
    return more;
  }

  /** @returns the bytes that are kept less than before */
  letGo(piece: ArrayBufferLike): number {
    const before = this.#pieces.get(piece) ?? 0;
    if (before === 0) return 0;
    if (before === 1) this.#pieces.delete(piece);
    else this.#pieces.set(piece, before - 1);
    const less = PIECE_BYTES + (before === 1 ? piece.byteLength : 0);
    this.bytes -= less;
    return less;
  }
}

/** Follows the messages of one call by their lengths. */
export class MessageBoundaries {
  #prefixSeen = 0;
  #length = 0;
  #left = 0;
  /** Whether a message ended within the bytes that were passed last. */
  passed = false;

  /** @returns whether a message ends with the last of the bytes */
  pass(bytes: Uint8Array): boolean {
    const end = bytes.length;
    let at = 0;
    this.passed = false;
    while (at < end) {
      if (this.#prefixSeen < PREFIX_BYTES) {
        if (this.#prefixSeen > 0) this.#length = this.#length * 256 + (bytes[at] as number);
        at++;
        if (++this.#prefixSeen < PREFIX_BYTES) continue;
        this.#left = this.#length;
      }
      const step = Math.min(this.#left, end - at);
      this.#left -= step;
      at += step;
      if (this.#left > 0) break;
      this.passed = true;
      this.#prefixSeen = 0;
      this.#length = 0;
    }
    return this.#prefixSeen === 0;
  }
}
