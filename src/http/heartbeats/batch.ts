/**
 * Reads the body of a request: one heartbeat or a list of them. An element that is wrong is refused by itself. After one
 * whose end cannot be found (a missing quote or bracket) the rest of the body is refused, too, as one more element.
 */
import { isUtf8 } from 'node:buffer';
import type { ErrorCode } from '../../lib/errors.ts';
import { readHeartbeat } from './heartbeat-json.ts';
import { BadJson, JsonReader, refuse } from './json-reader.ts';
import { WireWriter } from './wire-writer.ts';

export interface RefusedElement {
  /** In the list; 0 for a single heartbeat. */
  readonly index: number;
  /** Empty: unknown. */
  readonly workerId: string;
  readonly code: Extract<ErrorCode, 'invalid_argument' | 'too_large'>;
  readonly detail: string;
}

/** Heartbeats as messages, ready to be sent to main. */
export interface Batch {
  /** Each heartbeat, followed by its worker's registration, which may be empty. */
  readonly bytes: Uint8Array;
  /** For each heartbeat two offsets in `bytes`: its end, and the end of the registration. */
  readonly ends: readonly number[];
  /** Its index in the list, for each heartbeat. */
  readonly indices: readonly number[];
  readonly refused: readonly RefusedElement[];
  /** How many elements there are. */
  readonly elements: number;
  /** What is wrong with the body if nothing in it could be parsed. */
  readonly problem: string | undefined;
}

/** A batch whose bytes have memory of their own, which can be transferred. */
export type OwnBatch = Batch & { readonly bytes: Uint8Array<ArrayBuffer> };

export function ownBatch(batch: Batch): OwnBatch {
  return { ...batch, bytes: new Uint8Array(batch.bytes) };
}

export interface BatchLimits {
  /** Of each heartbeat as a message. */
  readonly maxMessageBytes: number;
  readonly maxElements: number;
  /** Announced with registrations; 0: none. */
  readonly intervalMs: number;
}

/** Ten usual requests of a gateway. */
const KEPT_BYTES = 1024 ** 2;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

export class BatchReader {
  readonly #reader = new JsonReader();
  readonly #out = new WireWriter();
  readonly #info = new WireWriter();

  read(body: Uint8Array, limits: BatchLimits): Batch {
    const reading = new Reading(this.#reader, this.#out, this.#info, body, limits);
    try {
      return reading.read();
    } finally {
      this.#reader.stop();
      this.#out.clear(KEPT_BYTES);
      this.#info.clear(KEPT_BYTES);
    }
  }
}

class Reading {
  readonly #reader: JsonReader;
  readonly #out: WireWriter;
  readonly #info: WireWriter;
  readonly #limits: BatchLimits;
  readonly #isUtf8: boolean;
  readonly #ends: number[] = [];
  readonly #indices: number[] = [];
  readonly #refused: RefusedElement[] = [];
  #elements = 0;
  /** Whether there is any JSON in the body. */
  #hasJson = false;

  constructor(reader: JsonReader, out: WireWriter, info: WireWriter, body: Uint8Array, limits: BatchLimits) {
    this.#reader = reader;
    this.#out = out;
    this.#info = info;
    this.#limits = limits;
    this.#isUtf8 = isUtf8(body);
    const hasMark = BYTE_ORDER_MARK.equals(body.subarray(0, BYTE_ORDER_MARK.length));
    reader.start(body, hasMark ? BYTE_ORDER_MARK.length : 0);
  }

  read(): Batch {
    if (this.#reader.isAtEnd) return this.#failed('the body is empty; expected a heartbeat or a list of them');
    if (!this.#reader.isList && !this.#reader.isObject) {
      return this.#failed('the body is neither an object nor a list; expected a heartbeat as JSON, or a list of them');
    }
    if (this.#reader.isList) this.#readList();
    else if (this.#readElement()) this.#mustEnd();
    const [first] = this.#refused;
    if (this.#hasJson || first === undefined) return this.#batch(undefined);
    return this.#failed(this.#elements > 1 ? `heartbeat ${first.index}: ${first.detail}` : first.detail);
  }

  #readList(): void {
    try {
      let more = this.#reader.open('the body', true);
      // An empty list is JSON.
      this.#hasJson = !more;
      while (more) {
        if (this.#elements === this.#limits.maxElements) {
          const most = `a request may have ${this.#limits.maxElements} heartbeats`;
          this.#refuse({ code: 'too_large', detail: `${most}; this one and all after it were not read` });
          return;
        }
        if (!this.#readElement()) return;
        more = this.#reader.more(true);
      }
    } catch (error) {
      if (!(error instanceof BadJson)) throw error;
      this.#refuseRest(error.detail);
      return;
    }
    this.#mustEnd();
  }

  #mustEnd(): void {
    if (this.#reader.isAtEnd) return;
    this.#refuseRest(
      `the body goes on at byte ${this.#reader.at}, after its end; several heartbeats must be elements of a list`,
    );
  }

  /** @returns whether its end was found */
  #readElement(): boolean {
    const reader = this.#reader;
    const out = this.#out;
    const from = reader.at;
    const start = out.at;
    try {
      this.#readOne(from, start);
      this.#hasJson = true;
      this.#indices.push(this.#elements++);
      return true;
    } catch (error) {
      if (!(error instanceof BadJson)) throw error;
      const { detail, isJson } = error;
      out.at = start;
      if (isJson) this.#hasJson = true;
      return this.#passBad(from, detail);
    } finally {
      this.#info.clear(KEPT_BYTES);
    }
  }

  /** Writes a heartbeat. @throws BadJson */
  #readOne(from: number, start: number): void {
    const { maxMessageBytes: maxBytes, intervalMs } = this.#limits;
    const out = this.#out;
    const info = this.#info;
    readHeartbeat(this.#reader, { heartbeat: out, info, intervalMs, maxBytes });
    if (!this.#isUtf8 && !this.#reader.isUtf8From(from)) refuse('it is not valid UTF-8');
    const bytes = out.at - start;
    if (bytes > maxBytes) refuse(`${TOO_LARGE}${bytes} bytes; at most ${maxBytes} are allowed (MAX_MESSAGE_SIZE)`);
    const end = out.at;
    out.append(info.view(0), 0, info.at);
    this.#ends.push(end, out.at);
  }

  #passBad(from: number, detail: string): boolean {
    const reader = this.#reader;
    let workerId = '';
    reader.at = from;
    const isPassed = reader.skipLeniently('worker_id', (text) => {
      workerId = text;
    });
    const code = detail.startsWith(TOO_LARGE) ? 'too_large' : 'invalid_argument';
    const rest = isPassed ? '' : '; its end cannot be found, so the rest of the body was not read';
    this.#refuse({ code, detail: `${detail}${rest}`, workerId });
    return isPassed;
  }

  #refuseRest(detail: string): void {
    this.#refuse({ code: 'invalid_argument', detail: `${detail}; the rest of the body was not read` });
  }

  #refuse({ workerId = '', ...rest }: Omit<RefusedElement, 'index' | 'workerId'> & { workerId?: string }): void {
    this.#refused.push({ index: this.#elements++, workerId, ...rest });
  }

  #failed(problem: string): Batch {
    return this.#batch(problem);
  }

  #batch(problem: string | undefined): Batch {
    return {
      bytes: this.#out.copy(),
      ends: this.#ends,
      indices: this.#indices,
      refused: this.#refused,
      elements: this.#elements,
      problem,
    };
  }
}

const TOO_LARGE = 'the heartbeat takes ';
