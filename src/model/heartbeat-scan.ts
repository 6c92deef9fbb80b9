/**
 * Reads the head of a heartbeat on the main thread: a few top-level scalars. Nested messages are skipped unread;
 * decoding is the lane's work. The last occurrence of a field wins, as in protobuf.
 *
 * Wire format: protobuf.dev/programming-guides/encoding. Field numbers: proto/pulselane/v1/telemetry.proto.
 */
import { isUtf8 } from 'node:buffer';
import { PulselaneError } from '../lib/errors.ts';
import { amountProblem, isAmount } from './amounts.ts';
import { MAX_ENDED_TASKS, MAX_ITEMS, MAX_MESSAGE_BYTES } from './heartbeat-limits.ts';
import { MAX_GROUP_DEPTH } from './protobuf.ts';
import { MAX_UNIX_MS } from './unix-ms.ts';
import { hasControlCharacter } from './worker-id.ts';
import { WorkerIdTable } from './worker-id-table.ts';
import { MAX_INSTANCE_ID_BYTES } from './worker-info.ts';

/** The scalars of a heartbeat that main needs before the rest is decoded. */
export interface HeartbeatHead {
  readonly workerId: string;
  /** 0 = the worker does not number heartbeats. At most 2^53 - 1. */
  readonly sequence: number;
  /** 0 = unknown; negative before 1970. */
  readonly sentAtUnixMs: number;
  readonly instanceId: string;
  /** Not validated, see {@link amountIn}. */
  readonly hostLoopLagMs: number;
  readonly lastRoundTripMs: number;
  readonly leaving: boolean;
  readonly hasEndedTasks: boolean;
  /**
   * What is wrong with the top-level numbers, naming the first invalid one, for which a lane would reject the heartbeat;
   * undefined if all are valid.
   */
  amountProblem(): string | undefined;
  /** Whether it names no instance other than this one; it may name none. */
  isOf(instanceId: string | undefined): boolean;
}

/** An invalid amount (NaN, infinite, negative) counts as not sent; a lane rejects its heartbeat and names the field. */
export function amountIn(value: number): number {
  return isAmount(value) ? value : 0;
}

const WORKER_ID = 1;
const CPU_USAGE = 2;
const MEMORY_USAGE = 3;
const STORAGE_USAGE = 4;
const GPU_USAGE = 6;
const SEQUENCE = 16;
const SENT_AT = 17;
const INSTANCE_ID = 18;
const HOST_LOOP_LAG = 21;
const LAST_ROUND_TRIP = 22;
const LEAVING = 23;
const ENDED_TASKS = 24;

const RUNNING_TASKS = 5;
const METRICS = 19;
const GPUS = 20;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

const knownIds = new WorkerIdTable();

/** @throws PulselaneError `invalid_argument`, naming the field, if the top level is malformed or the id is invalid */
export function scanHeartbeat(bytes: Buffer): HeartbeatHead {
  cursor.start(bytes);
  let idStart = 0;
  let idEnd = 0;
  let instanceStart = 0;
  let instanceEnd = 0;
  let sequence = 0;
  let sentAtUnixMs = 0;
  let cpuAt = NOWHERE;
  let memoryAt = NOWHERE;
  let storageAt = NOWHERE;
  let gpuAt = NOWHERE;
  let hostLoopLagAt = NOWHERE;
  let lastRoundTripAt = NOWHERE;
  let leaving = false;
  let hasEndedTasks = false;
  let items = 0;
  while (!cursor.atEnd()) {
    const tag = cursor.varint();
    const wireType = tag & 7;
    const field = Math.floor(tag / 8);
    cursor.field = field;
    switch (field) {
      case WORKER_ID:
        cursor.expect(wireType, LENGTH_DELIMITED, 'worker_id');
        idStart = cursor.passText();
        idEnd = cursor.at;
        break;
      // A field of the wrong type is skipped: the heartbeat is a sign of life, and its lane will report the error.
      case CPU_USAGE:
        if (wireType === FIXED64) cpuAt = cursor.pass(8);
        else cursor.skip(wireType);
        break;
      case MEMORY_USAGE:
        if (wireType === FIXED64) memoryAt = cursor.pass(8);
        else cursor.skip(wireType);
        break;
      case STORAGE_USAGE:
        if (wireType === FIXED64) storageAt = cursor.pass(8);
        else cursor.skip(wireType);
        break;
      case GPU_USAGE:
        if (wireType === FIXED64) gpuAt = cursor.pass(8);
        else cursor.skip(wireType);
        break;
      case SEQUENCE:
        cursor.expect(wireType, VARINT, 'sequence');
        sequence = cursor.varint();
        break;
      case SENT_AT:
        cursor.expect(wireType, VARINT, 'sent_at_unix_ms');
        sentAtUnixMs = signed(cursor.varint());
        break;
      case INSTANCE_ID:
        cursor.expect(wireType, LENGTH_DELIMITED, 'instance_id');
        // Even an occurrence that is overridden later must be valid text, as for the lane and for protobuf.
        checkInstanceId(bytes, instanceStart, instanceEnd);
        instanceStart = cursor.passText();
        instanceEnd = cursor.at;
        break;
      case HOST_LOOP_LAG:
        cursor.expect(wireType, FIXED64, 'host_loop_lag_ms');
        hostLoopLagAt = cursor.pass(8);
        break;
      case LAST_ROUND_TRIP:
        cursor.expect(wireType, FIXED64, 'last_round_trip_ms');
        lastRoundTripAt = cursor.pass(8);
        break;
      case LEAVING:
        cursor.expect(wireType, VARINT, 'leaving');
        leaving = cursor.varint() !== 0;
        break;
      case ENDED_TASKS:
        hasEndedTasks = true;
        cursor.skip(wireType);
        break;
      case RUNNING_TASKS:
      case METRICS:
      case GPUS:
        if (++items > MAX_ITEMS) {
          throw malformed(`heartbeat holds more than ${MAX_ITEMS} tasks, metrics and devices`);
        }
        cursor.skip(wireType);
        break;
      default:
        cursor.skip(wireType);
    }
  }
  checkInstanceId(bytes, instanceStart, instanceEnd);
  // A larger number would not be exact, and could not be sent back unchanged.
  if (sequence > Number.MAX_SAFE_INTEGER) throw malformed('sequence is larger than 2^53 - 1');
  return new ScannedHead(
    bytes,
    knownIds.read(bytes, idStart, idEnd),
    sequence,
    sentAtUnixMs,
    leaving,
    hasEndedTasks,
    instanceStart,
    instanceEnd,
    cpuAt,
    memoryAt,
    storageAt,
    gpuAt,
    hostLoopLagAt,
    lastRoundTripAt,
  );
}

/**
 * A heartbeat with the ended tasks of the one that it replaces, which would be lost otherwise: what its worker was acked for may not be
 * told again. Messages of one type may be joined, and repeated fields are then, too. The newest are taken, as many as a heartbeat may
 * have and as fit. Invalid ones are not: for one of them a lane would reject all values of the newer heartbeat.
 * @param replaced scanned before, like `bytes`
 * @param mostBytes maximum size of the result, unless `bytes` are more
 */
export function withEndedTasksOf(replaced: Buffer, bytes: Buffer, mostBytes = MAX_MESSAGE_BYTES): Buffer {
  const own = endedTasksIn(bytes).map((task) => task.toString('latin1'));
  const known = new Set(own);
  const missing = endedTasksIn(replaced).filter((task) => !known.has(task.toString('latin1')) && isValidEnd(task));
  const most = Math.max(0, MAX_ENDED_TASKS - own.length);
  let size = bytes.length;
  let first = missing.length;
  while (first > 0 && missing.length - first < most) {
    const { length } = missing[first - 1] as Buffer;
    if (size + length > Math.min(mostBytes, MAX_MESSAGE_BYTES)) break;
    size += length;
    first--;
  }
  return first === missing.length ? bytes : Buffer.concat([...missing.slice(first), bytes], size);
}

const ENDED_TASK = { taskId: 1, startedAt: 2, endedAt: 3, cpuSeconds: 6 } as const;
/** Wire types by field number. */
const ENDED_TASK_TYPES = [undefined, LENGTH_DELIMITED, VARINT, VARINT, VARINT, VARINT, FIXED64, VARINT] as const;
const MAX_TAG_BYTES = 5;

/** Whether a lane accepts the entry, given with its tag. Stricter than the lane where an encoding is unusual. */
function isValidEnd(entry: Buffer): boolean {
  try {
    cursor.start(entry);
    const [tag, from] = [cursor.varint(), cursor.at];
    cursor.varint();
    return tag === 8 * ENDED_TASKS + LENGTH_DELIMITED && from <= MAX_TAG_BYTES && hasValidFields(entry);
  } catch (error) {
    if (error instanceof PulselaneError) return false;
    throw error;
  }
}

/** @throws PulselaneError if it is malformed */
function hasValidFields(entry: Buffer): boolean {
  let idBytes = 0;
  while (!cursor.atEnd()) {
    const tagAt = cursor.at;
    const tag = cursor.varint();
    const wireType = tag & 7;
    const field = Math.floor(tag / 8);
    cursor.field = field;
    if (cursor.at - tagAt > MAX_TAG_BYTES || tag >= 2 ** 32 || wireType === START_GROUP) return false;
    if (wireType !== (ENDED_TASK_TYPES[field] ?? wireType)) return false;
    if (field === ENDED_TASK.taskId) {
      const textAt = cursor.passText();
      idBytes = cursor.at - textAt;
      if (!isUtf8(entry.subarray(textAt, cursor.at))) return false;
    } else if (field === ENDED_TASK.startedAt || field === ENDED_TASK.endedAt) {
      // Above 2^63 are negative ones.
      if (cursor.varint() > MAX_UNIX_MS) return false;
    } else if (field === ENDED_TASK.cpuSeconds) {
      if (!isAmount(entry.readDoubleLE(cursor.pass(8)))) return false;
    } else cursor.skip(wireType);
  }
  return idBytes > 0;
}

/** Their fields as they are in the message, tags included. */
function endedTasksIn(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  cursor.start(bytes);
  while (!cursor.atEnd()) {
    const start = cursor.at;
    const tag = cursor.varint();
    const field = Math.floor(tag / 8);
    cursor.field = field;
    cursor.skip(tag & 7);
    if (field === ENDED_TASKS) found.push(bytes.subarray(start, cursor.at));
  }
  return found;
}

/** Position of a number that was not sent. */
const NOWHERE = -1;

/** The result of a scan; rarely used members are created on demand. */
class ScannedHead implements HeartbeatHead {
  readonly workerId: string;
  readonly sequence: number;
  readonly sentAtUnixMs: number;
  readonly leaving: boolean;
  readonly hasEndedTasks: boolean;
  readonly #bytes: Buffer;
  readonly #instanceStart: number;
  readonly #instanceEnd: number;
  readonly #cpuAt: number;
  readonly #memoryAt: number;
  readonly #storageAt: number;
  readonly #gpuAt: number;
  readonly #hostLoopLagAt: number;
  readonly #lastRoundTripAt: number;

  constructor(
    bytes: Buffer,
    workerId: string,
    sequence: number,
    sentAtUnixMs: number,
    leaving: boolean,
    hasEndedTasks: boolean,
    instanceStart: number,
    instanceEnd: number,
    cpuAt: number,
    memoryAt: number,
    storageAt: number,
    gpuAt: number,
    hostLoopLagAt: number,
    lastRoundTripAt: number,
  ) {
    this.#bytes = bytes;
    this.workerId = workerId;
    this.sequence = sequence;
    this.sentAtUnixMs = sentAtUnixMs;
    this.leaving = leaving;
    this.hasEndedTasks = hasEndedTasks;
    this.#instanceStart = instanceStart;
    this.#instanceEnd = instanceEnd;
    this.#cpuAt = cpuAt;
    this.#memoryAt = memoryAt;
    this.#storageAt = storageAt;
    this.#gpuAt = gpuAt;
    this.#hostLoopLagAt = hostLoopLagAt;
    this.#lastRoundTripAt = lastRoundTripAt;
  }

  get instanceId(): string {
    return this.#bytes.toString('utf8', this.#instanceStart, this.#instanceEnd);
  }

  isOf(instanceId: string | undefined): boolean {
    const length = this.#instanceEnd - this.#instanceStart;
    if (length === 0) return true;
    if (length !== instanceId?.length) return instanceId !== undefined && this.instanceId === instanceId;
    for (let at = 0; at < length; at++) {
      const byte = this.#bytes[this.#instanceStart + at] as number;
      if (byte !== instanceId.charCodeAt(at)) return byte > 0x7f && this.instanceId === instanceId;
    }
    return true;
  }

  get hostLoopLagMs(): number {
    return this.#numberAt(this.#hostLoopLagAt);
  }

  get lastRoundTripMs(): number {
    return this.#numberAt(this.#lastRoundTripAt);
  }

  amountProblem(): string | undefined {
    return (
      amountProblem('cpu_usage', this.#numberAt(this.#cpuAt)) ??
      amountProblem('memory_usage', this.#numberAt(this.#memoryAt)) ??
      amountProblem('storage_usage', this.#numberAt(this.#storageAt)) ??
      amountProblem('gpu_usage', this.#numberAt(this.#gpuAt)) ??
      amountProblem('host_loop_lag_ms', this.hostLoopLagMs) ??
      amountProblem('last_round_trip_ms', this.lastRoundTripMs)
    );
  }

  #numberAt(at: number): number {
    return at === NOWHERE ? 0 : this.#bytes.readDoubleLE(at);
  }
}

/** Converts the bits that {@link Cursor.varint} read as unsigned to a signed int64. */
function signed(unsigned: number): number {
  return unsigned < 2 ** 63 ? unsigned : unsigned - 2 ** 64;
}

function checkInstanceId(bytes: Buffer, start: number, end: number): void {
  if (end - start > MAX_INSTANCE_ID_BYTES) {
    throw malformed(`instance_id has ${end - start} bytes; at most ${MAX_INSTANCE_ID_BYTES} are allowed`);
  }
  const problem = textProblem(bytes, start, end);
  if (problem !== undefined) throw malformed(`instance_id ${problem}`);
}

/**
 * Why the bytes are not text that can be logged; undefined if they are. ASCII is checked without a view of the bytes.
 */
function textProblem(bytes: Buffer, start: number, end: number): string | undefined {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) {
      if (!isUtf8(bytes.subarray(start, end))) return 'is not valid UTF-8';
      return hasControlCharacter(bytes.toString('utf8', start, end)) ? CONTROL_CHARACTER : undefined;
    }
    if (byte < 0x20 || byte === 0x7f) return CONTROL_CHARACTER;
  }
  return undefined;
}

const CONTROL_CHARACTER = 'contains a control character';

function malformed(message: string): PulselaneError {
  return new PulselaneError('invalid_argument', message);
}

class Cursor {
  /** The current field, for error messages. */
  field = 0;
  /** Offset of the next byte to read. */
  at = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;

  start(bytes: Buffer): void {
    this.field = 0;
    this.at = 0;
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  atEnd(): boolean {
    return this.at >= this.#end;
  }

  /** Reads an unsigned varint as a number; values above 2^53 lose precision, but ids and times are smaller. */
  varint(): number {
    // Nearly all tags and lengths take one byte.
    if (this.at < this.#end) {
      const byte = this.#bytes[this.at] as number;
      if (byte < 0x80) {
        this.at++;
        return byte;
      }
    }
    return this.#longVarint();
  }

  /** Skips a string. @returns its start */
  passText(): number {
    return this.pass(this.varint());
  }

  /** Skips `length` bytes. @returns their start */
  pass(length: number): number {
    const start = this.at;
    if (start + length > this.#end) throw this.#cutShort();
    this.at = start + length;
    return start;
  }

  skip(wireType: number, depth = 0): void {
    if (this.field === 0) throw malformed('heartbeat is malformed: it has a field with number 0');
    switch (wireType) {
      case VARINT:
        this.varint();
        return;
      case LENGTH_DELIMITED:
        this.passText();
        return;
      case FIXED64:
        this.pass(8);
        return;
      case FIXED32:
        this.pass(4);
        return;
      case START_GROUP:
        this.#skipGroup(depth);
        return;
      default:
        throw malformed(`heartbeat is malformed: ${this.#where()} has wire type ${wireType}`);
    }
  }

  /** Groups are not part of proto3, but of the wire format, so parsers must skip unknown ones. */
  #skipGroup(depth: number): void {
    const group = this.field;
    if (depth >= MAX_GROUP_DEPTH) throw malformed('heartbeat is malformed: groups are nested too deep');
    for (;;) {
      const tag = this.varint();
      this.field = Math.floor(tag / 8);
      if ((tag & 7) !== END_GROUP) {
        this.skip(tag & 7, depth + 1);
        continue;
      }
      if (this.field !== group) throw malformed(`heartbeat is malformed: group ${group} ends as ${this.field}`);
      return;
    }
  }

  expect(wireType: number, expected: number, name: string): void {
    if (wireType !== expected) {
      throw malformed(
        `heartbeat is malformed: ${name} (field ${this.field}) has wire type ${wireType}, expected ${expected}`,
      );
    }
  }

  #longVarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.#end) throw this.#cutShort();
      const byte = this.#bytes[this.at++] as number;
      // Only one bit of the tenth byte counts: bits above the 64th are ignored, as in protobuf.
      value += (byte & (i === 9 ? 0x01 : 0x7f)) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed(`heartbeat is malformed: ${this.#where()} holds a varint of more than 10 bytes`);
  }

  #cutShort(): PulselaneError {
    return malformed(`heartbeat is malformed: it ends within ${this.#where()}`);
  }

  #where(): string {
    return this.field === 0 ? 'a field number' : `field ${this.field}`;
  }
}

/** One instance for all: each scan is complete before the next starts. */
const cursor = new Cursor();
