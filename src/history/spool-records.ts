/**
 * The records of a spool file. Each is whole or not there: a record that was being written when the master ended fails its
 * checksums.
 *
 *     bytes  8       4            4            4           4           head     body
 *           ┌───────┬────────────┬────────────┬───────────┬───────────┬────────┬────────────────────────┐
 *           │ magic │ head bytes │ body bytes │ CRC of    │ CRC of    │ JSON   │ batch, serialized by   │
 *           │       │            │            │ the head  │ the body  │        │ V8, compressed by zstd │
 *           └───────┴────────────┴────────────┴───────────┴───────────┴────────┴────────────────────────┘
 *
 * Integers are little-endian. The head's CRC-32 covers both lengths and the head. After damage, the next magic whose record is
 * valid goes on.
 */
import { deserialize, serialize } from 'node:v8';
import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { jsonIn } from '../lib/json.ts';
import type { Batch, MasterRun } from './backend.ts';
import { samplesIn } from './batch-contents.ts';

/** The digit is the version of the format. */
const MAGIC = Buffer.from('PLSpool1', 'latin1');
const FIXED_BYTES = 24;
/** Bounds what a damaged length can claim: many times the largest batch. */
const MAX_PART_BYTES = 1024 ** 3;

/** A head takes some 150 bytes. */
const MAX_HEAD_BYTES = 4096;

export interface SpoolEntry {
  /** The run of the master that made the batch. */
  readonly run: MasterRun;
  readonly batch: Batch;
}

/** What is known of a record without its body. */
export interface RecordHead {
  readonly bootId: string;
  readonly startedMs: number;
  readonly number: number;
  readonly atMs: number;
  readonly samples: number;
  /** 0: it has no events. */
  readonly lastEventId: number;
}

export function encodeRecord({ run, batch }: SpoolEntry): Buffer {
  const head: RecordHead = {
    bootId: run.bootId,
    startedMs: run.startedMs,
    number: batch.number,
    atMs: batch.atMs,
    samples: samplesIn(batch),
    lastEventId: batch.events.at(-1)?.id ?? 0,
  };
  const headBytes = Buffer.from(JSON.stringify(head));
  const body = zstdCompressSync(serialize(batch));
  const fixed = Buffer.alloc(FIXED_BYTES);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(headBytes.length, 8);
  fixed.writeUInt32LE(body.length, 12);
  fixed.writeUInt32LE(headCrc(fixed, headBytes), 16);
  fixed.writeUInt32LE(crc32(body), 20);
  return Buffer.concat([fixed, headBytes, body]);
}

function headCrc(fixed: Buffer, head: Buffer): number {
  return crc32(head, crc32(fixed.subarray(8, 16)));
}

/** A piece of a file, in order. */
export type Piece =
  | { readonly kind: 'record'; readonly offset: number; readonly bytes: number; readonly head: RecordHead }
  /** Not readable. `head`: it is, at least, of a record whose body is not. */
  | { readonly kind: 'damage'; readonly offset: number; readonly bytes: number; readonly head: RecordHead | undefined };

/** @returns every byte of the file in one of the pieces */
export function piecesOf(file: Buffer): Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  let damagedFrom: number | undefined;
  const endDamage = (to: number) => {
    if (damagedFrom !== undefined && damagedFrom < to) {
      pieces.push({ kind: 'damage', offset: damagedFrom, bytes: to - damagedFrom, head: undefined });
    }
    damagedFrom = undefined;
  };
  while (offset < file.length) {
    const piece = pieceAt(file, offset);
    if (piece !== undefined) {
      endDamage(offset);
      pieces.push(piece);
      offset += piece.bytes;
      continue;
    }
    damagedFrom ??= offset;
    const next = file.indexOf(MAGIC, offset + 1);
    offset = next < 0 ? file.length : next;
  }
  endDamage(file.length);
  return pieces;
}

/** Undefined: no record begins here whose head can be believed. */
function pieceAt(file: Buffer, offset: number): Piece | undefined {
  const fixed = file.subarray(offset, offset + FIXED_BYTES);
  if (fixed.length < FIXED_BYTES || !fixed.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const headLength = fixed.readUInt32LE(8);
  const bodyLength = fixed.readUInt32LE(12);
  if (headLength > MAX_PART_BYTES || bodyLength > MAX_PART_BYTES) return undefined;
  const bodyAt = offset + FIXED_BYTES + headLength;
  const headBytes = file.subarray(offset + FIXED_BYTES, bodyAt);
  if (headBytes.length < headLength || headCrc(fixed, headBytes) !== fixed.readUInt32LE(16)) return undefined;
  const head = jsonIn(headBytes.toString()) as RecordHead;
  const body = file.subarray(bodyAt, bodyAt + bodyLength);
  const isWhole = body.length === bodyLength && crc32(body) === fixed.readUInt32LE(20);
  const bytes = FIXED_BYTES + headLength + body.length;
  return { kind: isWhole ? 'record' : 'damage', offset, bytes, head };
}

/**
 * Whether these last bytes of a file are what is left of a record that was still being appended: as far as they go, they are right.
 * A record of which everything is there, and wrong, was durable once.
 */
export function isCutOff(tail: Buffer): boolean {
  if (!MAGIC.subarray(0, tail.length).equals(tail.subarray(0, MAGIC.length))) return false;
  if (tail.length < FIXED_BYTES) return true;
  const headLength = tail.readUInt32LE(8);
  if (headLength > MAX_HEAD_BYTES) return false;
  const head = tail.subarray(FIXED_BYTES, FIXED_BYTES + headLength);
  if (head.length < headLength) return true;
  return (
    headCrc(tail, head) === tail.readUInt32LE(16) && tail.length < FIXED_BYTES + headLength + tail.readUInt32LE(12)
  );
}

/** @throws Error if the bytes are no record */
export function decodeRecord(record: Buffer): SpoolEntry {
  const [piece] = piecesOf(record);
  if (piece?.kind !== 'record') throw new Error('the record is damaged');
  const { bootId, startedMs } = piece.head;
  const body = record.subarray(FIXED_BYTES + record.readUInt32LE(8), piece.bytes);
  return { run: { bootId, startedMs }, batch: deserialize(zstdDecompressSync(body)) as Batch };
}
