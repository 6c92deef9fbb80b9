/**
 * Limits the memory of incomplete gRPC messages. grpc-js limits the size of a message but not how many are incomplete at
 * once: a client that starts a thousand large ones on a connection and finishes none would take 4 GiB. So the memory is
 * counted, and above the limit the connection that has held some the longest is closed. Normal messages are complete
 * within a round trip or two, most of them at once.
 *
 * grpc-js does not expose the bytes; they are observed on the HTTP/2 streams that it reads.
 */
import type { Http2Server, Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';

export interface UnfinishedOptions {
  /** Memory limit over all connections. */
  readonly maxBytes: number;
  /** Paths of calls with several messages, each released when complete. Other calls keep all bytes until they end. */
  readonly streamedPaths: ReadonlySet<string>;
  /** Called when a connection is closed. */
  readonly onCut: () => void;
}

/** RFC 9113, section 7: ENHANCE_YOUR_CALM. */
const CALM_DOWN = 11;
/** Each message starts with one byte for compression and four for its length. */
const PREFIX_BYTES = 5;
/** The cost of the objects that hold a piece of a message, however small the piece. */
const PIECE_BYTES = 128;

/** The incomplete message of one call. */
interface Unfinished {
  readonly session: Http2Session;
  /** Oldest first. */
  readonly pieces: ArrayBufferLike[];
}

export class UnfinishedMessages {
  readonly #options: UnfinishedOptions;
  readonly #connections = new Map<Http2Session, KeptMemory>();
  /** Calls that hold memory, oldest first. */
  readonly #unfinished = new Set<Unfinished>();
  #bytes = 0;

  constructor(options: UnfinishedOptions) {
    this.#options = options;
  }

  /** The memory held now, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Starts to watch a server; must come after the server's own stream listener. */
  watch(server: Http2Server): void {
    server.on('stream', (stream, headers) => this.#begun(stream as ServerHttp2Stream, headers));
  }

  #begun(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { session } = stream;
    if (session === undefined || headers['content-type']?.startsWith('application/grpc') !== true) return;
    // Nothing reads this stream; a data listener would start it flowing.
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
      // Already closed: its streams close after this turn.
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
 * The memory that one connection's pieces hold. A piece is a view of the buffer into which the socket was read, and the whole
 * buffer stays alive as long as one piece does. So each buffer counts once, in full.
 */
class KeptMemory {
  readonly #pieces = new Map<ArrayBufferLike, number>();
  bytes = 0;

  get isEmpty(): boolean {
    return this.#pieces.size === 0;
  }

  /** @returns how many more bytes are held */
  keep(piece: ArrayBufferLike): number {
    const before = this.#pieces.get(piece) ?? 0;
    this.#pieces.set(piece, before + 1);
    const more = PIECE_BYTES + (before === 0 ? piece.byteLength : 0);
    this.bytes += more;
    return more;
  }

  /** @returns how many fewer bytes are held */
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

/** Finds the message boundaries of one call from the length prefixes. */
export class MessageBoundaries {
  #prefixSeen = 0;
  #length = 0;
  #left = 0;
  /** Whether a message ended within the last bytes passed. */
  passed = false;

  /** @returns whether a message ends exactly at the last byte */
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
