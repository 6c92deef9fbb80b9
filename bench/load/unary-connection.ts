/** One connection that makes many unary gRPC calls at a time, at very low cost. */
import { connect, type Socket } from 'node:net';
import {
  callHeaders,
  clientHello,
  FIRST_WINDOW_BYTES,
  Flag,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameReader,
  FrameType,
  frame,
  STREAM_ID_AT,
} from './http2-frames.ts';

/** `isOk`: the server answered with a message; an error has none. */
type Done = (isOk: boolean) => void;

interface OpenCall {
  readonly done: Done;
  hasMessage: boolean;
}

/** The headers of a method's calls. */
export class UnaryMethod {
  readonly headers: Buffer;

  constructor(path: string) {
    this.headers = callHeaders(path);
  }
}

export class UnaryConnection {
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #open = new Map<number, OpenCall>();
  readonly #ready = Promise.withResolvers<void>();
  #nextStreamId = 1;
  /** The server's remaining connection window in bytes. Messages are small, so stream windows do not matter. */
  #windowBytes = FIRST_WINDOW_BYTES;
  readonly #waiting: { readonly headers: Buffer; readonly message: Buffer; readonly done: Done }[] = [];
  #out: Buffer[] = [];

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.write(clientHello());
    this.#socket.on('data', (chunk: Buffer) => {
      for (const received of this.#frames.read(chunk)) this.#receive(received);
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#failAll());
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when the server's first frame has arrived: real clients do not call before that. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** `message` is framed for gRPC, and copied. */
  call({ headers }: UnaryMethod, message: Buffer, done: Done): void {
    if (this.isClosed) done(false);
    else if (message.length <= this.#windowBytes) this.#start(headers, message, done);
    else this.#waiting.push({ headers, message: Buffer.from(message), done });
  }

  /** Ends the connection after everything sent. */
  close(): void {
    this.#socket.end();
  }

  #start(headers: Buffer, message: Buffer, done: Done): void {
    this.#windowBytes -= message.length;
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    this.#open.set(streamId, { done, hasMessage: false });
    const bytes = Buffer.allocUnsafe(headers.length + FRAME_HEADER_BYTES + message.length);
    bytes.set(headers);
    bytes.writeUInt32BE(streamId, STREAM_ID_AT);
    const data = headers.length;
    bytes.writeUIntBE(message.length, data, 3);
    bytes[data + 3] = FrameType.data;
    bytes[data + 4] = Flag.endStream;
    bytes.writeUInt32BE(streamId, data + STREAM_ID_AT);
    bytes.set(message, data + FRAME_HEADER_BYTES);
    this.#send(bytes);
  }

  /** Calls of one turn go out in one write. */
  #send(bytes: Buffer): void {
    if (this.#out.length === 0) {
      queueMicrotask(() => {
        const out = this.#out;
        this.#out = [];
        this.#socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
      });
    }
    this.#out.push(bytes);
  }

  #receive({ type, flags, streamId, payload }: Frame): void {
    if (type === FrameType.data) {
      const call = this.#open.get(streamId);
      if (call !== undefined && payload.length > 0) call.hasMessage = true;
      if (flags & Flag.endStream) this.#ended(streamId);
    } else if (type === FrameType.headers) {
      if (flags & Flag.endStream) this.#ended(streamId);
    } else if (type === FrameType.resetStream) {
      this.#ended(streamId, false);
    } else if (type === FrameType.windowUpdate) {
      if (streamId === 0) this.#widen(payload.readUInt32BE());
    } else if (type === FrameType.settings && !(flags & Flag.ack)) {
      this.#send(frame(FrameType.settings, Flag.ack, 0));
      this.#ready.resolve();
    } else if (type === FrameType.ping && !(flags & Flag.ack)) {
      this.#send(frame(FrameType.ping, Flag.ack, 0, payload));
    }
  }

  #widen(bytes: number): void {
    this.#windowBytes += bytes;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.message.length > this.#windowBytes) return;
      this.#waiting.shift();
      this.#start(next.headers, next.message, next.done);
    }
  }

  #ended(streamId: number, isWhole = true): void {
    const call = this.#open.get(streamId);
    this.#open.delete(streamId);
    call?.done(isWhole && call.hasMessage);
  }

  #failAll(): void {
    this.#ready.reject(new Error('the connection was closed'));
    for (const streamId of [...this.#open.keys()]) this.#ended(streamId, false);
    for (const { done } of this.#waiting.splice(0)) done(false);
  }
}
