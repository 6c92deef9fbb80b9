/** How simulated workers reach the master: a stream that one or several share, or a new connection each time. */

import type { ClientHttp2Stream } from 'node:http2';
import { fromBinary } from '@bufbuild/protobuf';
import { MasterWorker } from '../../../src/gen/cluster/master_worker_pb.ts';
import {
  type Refusal,
  StreamHeartbeatsResponseSchema,
  TelemetryService,
} from '../../../src/gen/pulselane/v1/telemetry_pb.ts';
import type { Clock, Timer } from '../../../src/lib/clock.ts';
import { framed, Http2Channel } from './http2-channel.ts';
import type { SimWorker } from './sim-worker.ts';

const STREAM_PATH = `/${TelemetryService.typeName}/${TelemetryService.method.streamHeartbeats.name}`;
const REGISTER_PATH = `/${TelemetryService.typeName}/${TelemetryService.method.register.name}`;
const UNARY_PATH = `/${MasterWorker.typeName}/${MasterWorker.method.sendHeartbeat.name}`;
/** Until a call is given up: as a Go worker's context has it. */
const CALL_WITHIN_MS = 5000;
const FIRST_BACKOFF_MS = 100;

export interface LinkOptions {
  readonly port: number;
  readonly workers: readonly SimWorker[];
  readonly maxBackoffMs: number;
  readonly clock: Clock;
  readonly onRefused: (refusal: Refusal) => void;
  readonly token: string | undefined;
}

export interface Link {
  /** Sends what the worker has to say; nothing, if there is no way to the master now. @returns whether it was sent */
  send(worker: SimWorker): boolean;
  sendFarewell(worker: SimWorker): void;
  /** The process that holds it dies. */
  die(): void;
  close(): void;
}

/** One connection with one stream, opened again with back-off when it ends. */
export class StreamLink implements Link {
  readonly #options: LinkOptions;
  #channel: Http2Channel | undefined;
  #stream: ClientHttp2Stream | undefined;
  #failures = 0;
  #retry: Timer | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#open();
  }

  send(worker: SimWorker): boolean {
    if (this.#stream === undefined) return false;
    for (const message of worker.next()) this.#stream.write(framed(message));
    return true;
  }

  sendFarewell(worker: SimWorker): void {
    this.#stream?.write(framed(worker.farewell()));
  }

  die(): void {
    this.#end()?.destroy();
  }

  close(): void {
    this.#stream?.end();
    this.#end()?.close();
  }

  #end(): Http2Channel | undefined {
    this.#retry?.cancel();
    this.#stream = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    return channel;
  }

  #open(): void {
    const { port, workers, onRefused, token } = this.#options;
    const channel = new Http2Channel(port, () => this.#ended(channel), token);
    this.#channel = channel;
    // An agent registers before it sends; whether that succeeds, its heartbeats will tell.
    const members = workers.filter(({ hasLeft }) => !hasLeft);
    const begin = () => {
      if (this.#channel !== channel) return;
      const stream = channel.open(STREAM_PATH, (message) => {
        this.#failures = 0;
        for (const refusal of fromBinary(StreamHeartbeatsResponseSchema, message).refusals) onRefused(refusal);
      });
      // The master has said its last word, or the connection is gone.
      stream.once('end', () => this.#ended(channel));
      stream.once('close', () => this.#ended(channel));
      this.#stream = stream;
      for (const worker of members) if (worker.sends) this.send(worker);
    };
    Promise.all(members.map(({ info }) => channel.unary(REGISTER_PATH, info, CALL_WITHIN_MS)))
      .then(begin)
      // The master has ended the connection meanwhile.
      .catch(() => this.#ended(channel));
  }

  #ended(channel: Http2Channel): void {
    if (this.#channel !== channel) return;
    this.#end()?.destroy();
    const { clock, maxBackoffMs } = this.#options;
    const backoffMs = Math.min(maxBackoffMs, FIRST_BACKOFF_MS * 2 ** this.#failures++);
    this.#retry = clock.after(backoffMs, () => this.#open());
  }
}

/** As the Go worker does it: a new connection for each heartbeat, and the next one when the last is answered. */
export class UnaryLink implements Link {
  readonly #options: LinkOptions;
  #underWay: Http2Channel | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  send(worker: SimWorker): boolean {
    if (this.#underWay !== undefined) return false;
    const channel = new Http2Channel(this.#options.port, undefined, this.#options.token);
    this.#underWay = channel;
    const [message] = worker.next();
    if (message === undefined) throw new Error('a Go worker has no mishaps: its heartbeats are not counted');
    channel.unary(UNARY_PATH, message, CALL_WITHIN_MS).then((isAnswered) => {
      if (isAnswered) channel.close();
      else channel.destroy();
      if (this.#underWay === channel) this.#underWay = undefined;
    });
    return true;
  }

  /** It knows none: it just ends. */
  sendFarewell(worker: SimWorker): void {
    worker.hasLeft = true;
  }

  die(): void {
    this.#underWay?.destroy();
  }

  close(): void {
    this.#underWay?.destroy();
  }
}
