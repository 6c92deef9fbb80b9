/**
 * The part of Node's Buffer that a lane uses, for a lane in its own realm (realm.ts). Node's Buffer inherits methods
 * from the realm in which processors run, where they may be replaced. Must be imported before anything that uses
 * Buffer.
 *
 * Comparing bytes is missing: only lanes without a processor use known-tasks.ts.
 *
 * The native methods accept any Uint8Array, so they become members of a class of this realm.
 */
import { Buffer as NodeBuffer } from 'node:buffer';

interface NativeMethods {
  utf8Write(text: string, offset: number, length: number): number;
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
}

const { utf8Write, utf8Slice, latin1Slice } = NodeBuffer.prototype as unknown as NativeMethods;
const { byteLength } = NodeBuffer;

class LaneBuffer extends Uint8Array {
  declare readonly utf8Write: NativeMethods['utf8Write'];
  declare readonly utf8Slice: NativeMethods['utf8Slice'];
  declare readonly latin1Slice: NativeMethods['latin1Slice'];

  /** Encoded as UTF-8. */
  write(text: string, offset = 0, length = this.length - offset): number {
    return this.utf8Write(text, offset, Math.min(length, this.length - offset));
  }

  override toString(encoding: 'utf8' | 'latin1' = 'utf8', start = 0, end = this.length): string {
    return encoding === 'latin1' ? this.latin1Slice(start, end) : this.utf8Slice(start, end);
  }

  copy(target: Uint8Array, targetStart = 0, start = 0, end = this.length): number {
    target.set(this.subarray(start, end), targetStart);
    return end - start;
  }
}

Object.assign(LaneBuffer.prototype, { utf8Write, utf8Slice, latin1Slice });

/** Kept outside the class, whose own `from` would conflict with that of Uint8Array. */
const makers = {
  from(source: string | ArrayBuffer, offset?: number, length?: number): LaneBuffer {
    if (typeof source !== 'string') return new LaneBuffer(source, offset, length);
    const bytes = new LaneBuffer(byteLength(source));
    bytes.write(source);
    return bytes;
  },
  alloc: (bytes: number) => new LaneBuffer(bytes),
  // Zeroed, unlike Node's.
  allocUnsafeSlow: (bytes: number) => new LaneBuffer(bytes),
  byteLength: (text: string) => byteLength(text),
};

globalThis.Buffer = Object.assign(LaneBuffer, makers) as unknown as typeof Buffer;
