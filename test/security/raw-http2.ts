/** HTTP/2 as no honest client speaks it: whatever frames, in whatever order (RFC 9113). */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Flag, type Frame, FrameReader, FrameType, frame } from '../../bench/load/http2-frames.ts';
import { eventually } from '../support/eventually.ts';
import { ATTACKER } from './siege.ts';

export { Flag, FrameType, frame };

export const CONTINUATION = 9;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const HEARTBEATS = '/pulselane.v1.TelemetryService/StreamHeartbeats';
export const SEND_HEARTBEAT = '/cluster.MasterWorker/SendHeartbeat';

/** Names in SETTINGS. */
export const Setting = { maxConcurrentStreams: 3, initialWindowSize: 4 } as const;

export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values);
  const payload = Buffer.alloc(6 * entries.length);
  for (const [i, [name, value]] of entries.entries()) {
    payload.writeUInt16BE(Number(name), 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FrameType.settings, 0, 0, payload);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An integer of HPACK (RFC 7541, 5.1) whose first byte has `bits` bits for it, above which stand `high`. */
function hpackInteger(value: number, bits: number, high = 0): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([high | value]);
  const bytes = [high | most];
  let rest = value - most;
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function hpackText(value: string): Buffer {
  return Buffer.concat([hpackInteger(Buffer.byteLength(value), 7), Buffer.from(value)]);
}

/** A header that is written out; `kept`: the other side is to remember it in its table. */
export function header(name: string, value: string, { kept = false } = {}): Buffer {
  return Buffer.concat([Buffer.from([kept ? 0x40 : 0x00]), hpackText(name), hpackText(value)]);
}

/** A header that the other side remembers; 62 is the newest. */
export function remembered(index: number): Buffer {
  return hpackInteger(index, 7, 0x80);
}

/** The header block of a call. */
export function callBlock(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const all = { ':path': path, ':authority': 'localhost', 'content-type': 'application/grpc', te: 'trailers', ...more };
  // 0x83, 0x86: POST, http.
  return Buffer.concat([Buffer.from([0x83, 0x86]), ...Object.entries(all).map(([name, value]) => header(name, value))]);
}

export function callHeaders(streamId: number, path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return frame(FrameType.headers, Flag.endHeaders, streamId, callBlock(path, more));
}

/** A message behind gRPC's prefix; a lie, if `flag` or `length` are not what it is. */
export function grpcMessage(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

/** In frames of at most the size that every peer takes. */
export function data(streamId: number, bytes: Uint8Array, { end = false } = {}): Buffer {
  const MOST_BYTES = 16_384;
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += MOST_BYTES) {
    const isLast = at + MOST_BYTES >= bytes.length;
    frames.push(
      frame(FrameType.data, end && isLast ? Flag.endStream : 0, streamId, bytes.subarray(at, at + MOST_BYTES)),
    );
  }
  return Buffer.concat(frames);
}

export class RawHttp2 {
  /** What came, oldest first; of a flood only the number by type is kept. */
  readonly received: Frame[] = [];
  readonly counts = new Map<number, number>();
  isClosed = false;
  #lastPing: Buffer | undefined;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      for (const each of reader.read(chunk)) {
        this.counts.set(each.type, (this.counts.get(each.type) ?? 0) + 1);
        if (each.type === FrameType.ping) this.#lastPing = each.payload;
        if (this.received.length < 1000) this.received.push(each);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Connects without a word. */
  static async connect(port: number): Promise<RawHttp2> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: ATTACKER, noDelay: true });
    const raw = new RawHttp2(socket);
    await once(socket, 'connect');
    return raw;
  }

  /** Connects and says what a client says first. */
  static async open(port: number, values: Readonly<Record<number, number>> = {}): Promise<RawHttp2> {
    const raw = await RawHttp2.connect(port);
    await raw.write(Buffer.concat([PREFACE, settings(values)]));
    return raw;
  }

  /** Resolves when it is on its way, or nobody takes it any more. @returns whether it was taken */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.isClosed || !this.#socket.writable) return false;
    if (this.#socket.write(bytes)) return true;
    const WAIT_MS = 2000;
    const waited = AbortSignal.timeout(WAIT_MS);
    try {
      await Promise.race([
        once(this.#socket, 'drain', { signal: waited }),
        once(this.#socket, 'close', { signal: waited }),
      ]);
    } catch {
      // It reads no more, which is its right.
      return false;
    }
    return !this.isClosed;
  }

  /**
   * Resolves when the other side is done with all that was sent: it answers a last ping, or has closed the connection.
   * Without it an attack may be over, and its bytes thrown away by the kernel, before anybody has read them.
   */
  async settled(): Promise<void> {
    this.#socket.resume();
    const LAST = Buffer.from('the last');
    this.#socket.write(frame(FrameType.ping, 0, 0, LAST));
    await eventually(() => this.isClosed || this.#lastPing?.equals(LAST));
  }

  /** Reads nothing more. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** How the stream ended: the value of `grpc-status` if it stands there as plain text, a reset's code, or neither. */
  resetOf(streamId: number): number | undefined {
    const reset = this.received.find((each) => each.type === FrameType.resetStream && each.streamId === streamId);
    return reset?.payload.readUInt32BE(0);
  }

  hasHeaders(streamId: number): boolean {
    return this.received.some((each) => each.type === FrameType.headers && each.streamId === streamId);
  }

  get goAway(): Frame | undefined {
    return this.received.find(({ type }) => type === FrameType.goAway);
  }

  close(): void {
    this.#socket.destroy();
  }
}
