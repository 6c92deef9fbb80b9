/**
 * What the main thread reads of a heartbeat: a few top-level scalars, by walking the tags. Nested messages are skipped
 * unread; decoding is the lane's work. The last occurrence of a field wins, as in protobuf.
 *
 * Wire format: protobuf.dev/programming-guides/encoding. Field numbers: proto/pulselane/v1/telemetry.proto.
 */
import { isUtf8 } from 'node:buffer';
import { PulselaneError } from '../lib/errors.ts';
import { decodeWorkerId } from './worker-id.ts';

/** The scalars of a heartbeat that decide about it, before anybody has decoded the rest. */
export interface HeartbeatHead {
  readonly workerId: string;
  /** 0 = the worker does not count. At most 2^53 - 1. */
  readonly sequence: number;
  readonly sentAtUnixMs: number;
  readonly instanceId: string;
  readonly hostLoopLagMs: number;
  readonly lastRoundTripMs: number;
  readonly leaving: boolean;
}

const WORKER_ID = 1;
const SEQUENCE = 16;
const SENT_AT = 17;
const INSTANCE_ID = 18;
const HOST_LOOP_LAG = 21;
const LAST_ROUND_TRIP = 22;
const LEAVING = 23;

const RUNNING_TASKS = 5;
const METRICS = 19;
const GPUS = 20;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/**
 * Tasks, devices and metrics in one heartbeat. Five times the 10,000 that a large worker runs; without a bound, 4 MiB of
 * empty tasks would be two million objects, and end the lane for want of memory.
 */
const MAX_ITEMS = 50_000;
/** A random id needs 36 characters; more would only cost memory on the main thread. */
const MAX_INSTANCE_ID_BYTES = 128;
const NO_BYTES = Buffer.alloc(0);

/** @throws PulselaneError `invalid_argument`, naming the field, if the top level is malformed or the id is not valid. */
export function scanHeartbeat(bytes: Buffer): HeartbeatHead {
  const cursor = new Cursor(bytes);
  let idBytes: Buffer = NO_BYTES;
  let instanceBytes: Buffer = NO_BYTES;
  let sequence = 0;
  let sentAtUnixMs = 0;
  let hostLoopLagMs = 0;
  let lastRoundTripMs = 0;
  let leaving = false;
  let items = 0;
  while (!cursor.atEnd()) {
    const tag = cursor.varint();
    const wireType = tag & 7;
    const field = Math.floor(tag / 8);
    cursor.field = field;
    if (field === WORKER_ID) {
      cursor.expect(wireType, LENGTH_DELIMITED, 'worker_id');
      idBytes = cursor.bytes();
    } else if (field === SEQUENCE) {
      cursor.expect(wireType, VARINT, 'sequence');
      sequence = cursor.varint();
    } else if (field === SENT_AT) {
      cursor.expect(wireType, VARINT, 'sent_at_unix_ms');
      sentAtUnixMs = cursor.varint();
    } else if (field === INSTANCE_ID) {
      cursor.expect(wireType, LENGTH_DELIMITED, 'instance_id');
      instanceBytes = cursor.bytes();
    } else if (field === HOST_LOOP_LAG) {
      cursor.expect(wireType, FIXED64, 'host_loop_lag_ms');
      hostLoopLagMs = cursor.double();
    } else if (field === LAST_ROUND_TRIP) {
      cursor.expect(wireType, FIXED64, 'last_round_trip_ms');
      lastRoundTripMs = cursor.double();
    } else if (field === LEAVING) {
      cursor.expect(wireType, VARINT, 'leaving');
      leaving = cursor.varint() !== 0;
    } else {
      if ((field === RUNNING_TASKS || field === METRICS || field === GPUS) && ++items > MAX_ITEMS) {
        throw malformed(`heartbeat holds more than ${MAX_ITEMS} tasks, metrics and devices`);
      }
      cursor.skip(wireType);
    }
  }
  if (instanceBytes.length > MAX_INSTANCE_ID_BYTES) {
    throw malformed(`instance_id has ${instanceBytes.length} bytes; at most ${MAX_INSTANCE_ID_BYTES} are allowed`);
  }
  // Beyond it a number is not exact, and could not be sent back as it came.
  if (sequence > Number.MAX_SAFE_INTEGER) throw malformed('sequence is larger than 2^53 - 1');
  if (!isUtf8(instanceBytes)) throw malformed('instance_id is not valid UTF-8');
  return {
    workerId: decodeWorkerId(idBytes),
    sequence,
    sentAtUnixMs,
    instanceId: instanceBytes.length === 0 ? '' : instanceBytes.toString('utf8'),
    hostLoopLagMs,
    lastRoundTripMs,
    leaving,
  };
}

function malformed(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}

class Cursor {
  /** The field being read, for error messages. */
  field = 0;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** An unsigned varint as a number; bits above 2^53 lose precision, which ids and times do not reach. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw this.#cutShort();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed(`heartbeat is malformed: ${this.#where()} holds a varint of more than 10 bytes`);
  }

  double(): number {
    this.#need(8);
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  bytes(): Buffer {
    const length = this.varint();
    this.#need(length);
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  skip(wireType: number): void {
    if (this.field === 0) throw malformed('heartbeat is malformed: it has a field with number 0');
    if (wireType === VARINT) {
      this.varint();
      return;
    }
    const length =
      wireType === LENGTH_DELIMITED ? this.varint() : wireType === FIXED64 ? 8 : wireType === FIXED32 ? 4 : undefined;
    // Groups (3, 4) are not part of proto3.
    if (length === undefined) {
      throw malformed(`heartbeat is malformed: ${this.#where()} has wire type ${wireType}`);
    }
    this.#need(length);
    this.#at += length;
  }

  expect(wireType: number, expected: number, name: string): void {
    if (wireType !== expected) {
      throw malformed(
        `heartbeat is malformed: ${name} (field ${this.field}) has wire type ${wireType}, expected ${expected}`,
      );
    }
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw this.#cutShort();
  }

  #cutShort(): PulselaneError {
    return malformed(`heartbeat is malformed: it ends within ${this.#where()}`);
  }

  #where(): string {
    return this.field === 0 ? 'a field number' : `field ${this.field}`;
  }
}
