/** Sends metrics, and events as logs, by OTLP. */
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { constants, gzipSync } from 'node:zlib';
import type { OtlpSignal } from '../../../config/otlp-kinds.ts';
import type { Clock } from '../../../lib/clock.ts';
import { messageOf } from '../../../lib/errors.ts';
import { masked } from '../../../lib/secret-text.ts';
import { VERSION } from '../../../lib/version.ts';
import type { WorkerEvent } from '../../../model/events.ts';
import type { Label } from '../../family.ts';
import type { Exporter, Message, Outcome, Point, RoundSlice, SourceRound } from '../exporter.ts';
import type { ReceiverSettings } from '../messages.ts';
import { secretsOf } from '../secrets.ts';
import { CONVENTIONS } from './conventions.ts';
import { GrpcTransport } from './grpc-transport.ts';
import { HttpTransport } from './http-transport.ts';
import { encodeLogs } from './logs-encoder.ts';
import { MetricHeads, type OtlpSeries } from './metric-heads.ts';
import { type EncodedRequest, MetricsEncoder } from './metrics-encoder.ts';
import { EVENTS_PER_REQUEST } from './otlp-limits.ts';
import { masterResource, workerResource } from './resources.ts';
import type { OtlpSettings } from './settings.ts';
import type { OtlpRequest, Transport } from './transport.ts';
import { resourceField, schemaUrlField, scopeField } from './wire.ts';

export interface OtlpMessage extends Message, OtlpRequest {}

/** A worker's resource, encoded, and what it was made of. */
interface KeptResource {
  readonly info: readonly Label[] | undefined;
  readonly field: Buffer;
  /** The round in which the worker was last seen. */
  round: number;
}

/** The fastest level: names and attributes, which requests repeat for each worker, are found at any. */
const GZIP = { level: constants.Z_BEST_SPEED };

/** Labels of a worker's info series, see info-labels.ts; undefined: they are not known. */
export type InfoOf = (workerId: string) => readonly Label[] | undefined;

export class Otlp implements Exporter<OtlpMessage, OtlpSeries> {
  readonly kind = 'otlp';
  readonly place: string;
  readonly protocol: string;
  readonly wantsRounds: boolean;
  #settings: OtlpSettings;
  readonly #clock: Clock;
  readonly #infoOf: InfoOf;
  #transport: Transport;
  /** The last attempt, which may be under way. */
  #attempt: Promise<unknown> = Promise.resolve();
  readonly #encoder: MetricsEncoder;
  readonly #scope = scopeField();
  readonly #schemaUrl: Buffer;
  readonly #master: Buffer;
  readonly #workers = new Map<string, KeptResource>();
  #round = 0;
  #atUnixMs = 0;

  constructor(settings: OtlpSettings, clock: Clock, infoOf: InfoOf) {
    const { place, protocol, conventions, masterInstance, resourceAttributes } = settings;
    this.#settings = settings;
    this.place = place;
    this.protocol = protocol;
    this.wantsRounds = settings.signals.includes('metrics');
    this.#clock = clock;
    this.#infoOf = infoOf;
    this.#transport = transportOf(settings, clock);
    const mapping = CONVENTIONS[conventions];
    this.#schemaUrl = schemaUrlField(mapping.schemaUrl);
    this.#encoder = new MetricsEncoder(new MetricHeads(mapping), this.#scope, this.#schemaUrl);
    this.#master = resourceField(masterResource(masterInstance, hostname(), VERSION, resourceAttributes));
  }

  encode({ atUnixMs, sources }: RoundSlice<OtlpSeries>): readonly OtlpMessage[] {
    this.#atUnixMs = atUnixMs;
    const full: EncodedRequest[] = [];
    for (const source of sources) {
      const { resource, replaced } = this.#resourceOfSource(source);
      const points = source.points.filter(isMetric);
      // For a receiver, the same series under another resource is another one.
      const ended = replaced === undefined ? source.ended : [...points.map(({ series }) => series), ...source.ended];
      // Before the round and its points: what Prometheus takes for the same series, since it keeps neither a resource nor a dot in a
      // name, would otherwise have two values at one time, and it refuses the whole request.
      full.push(...this.#encoder.add(replaced ?? resource, [], ended, atUnixMs - 1));
      full.push(...this.#encoder.add(resource, points, [], atUnixMs));
    }
    return full.map((request) => this.#messageOf('metrics', request.body, request.points, atUnixMs));
  }

  endRound(): readonly OtlpMessage[] {
    this.#forgetWorkers();
    const last = this.#encoder.finish();
    return last === undefined ? [] : [this.#messageOf('metrics', last.body, last.points, this.#atUnixMs)];
  }

  encodeEvents(events: readonly WorkerEvent[]): readonly OtlpMessage[] {
    if (!this.#settings.signals.includes('logs')) return [];
    const messages: OtlpMessage[] = [];
    for (let from = 0; from < events.length; from += EVENTS_PER_REQUEST) {
      const some = events.slice(from, from + EVENTS_PER_REQUEST);
      const resourceOf = (workerId: string | undefined) => this.#resourceOfWorker(workerId);
      const body = encodeLogs(some, resourceOf, this.#scope, this.#schemaUrl);
      messages.push(this.#messageOf('logs', body, some.length, some[0]?.atUnixMs ?? 0));
    }
    return messages;
  }

  async send(message: OtlpMessage, signal: AbortSignal): Promise<Outcome> {
    const attempt = this.#transport.send(message, signal);
    this.#attempt = attempt;
    const outcome = await attempt;
    if (message.signal !== 'logs' || outcome.type !== 'refused') return outcome;
    return { ...outcome, detail: `${outcome.detail} (event logs; OTLP_SIGNALS=metrics sends none)` };
  }

  renew(settings: ReceiverSettings): void {
    if (settings.kind !== 'otlp' || isDeepStrictEqual(settings, this.#settings)) return;
    const before = this.#transport;
    void this.#attempt.finally(() => before.close());
    this.#settings = settings;
    this.#transport = transportOf(settings, this.#clock);
  }

  close(): void {
    this.#transport.close();
  }

  #messageOf(signal: OtlpSignal, plain: Buffer, samples: number, atUnixMs: number): OtlpMessage {
    // At once, so that what waits for a receiver takes little memory.
    const isCompressed = this.#settings.compression === 'gzip';
    const body = isCompressed ? gzipSync(plain, GZIP) : plain;
    return { signal, body, isCompressed, samples, atUnixMs, bytes: body.length };
  }

  /** `replaced`: the worker had another resource before. */
  #resourceOfSource({ workerId, points }: SourceRound<OtlpSeries>): { resource: Buffer; replaced?: Buffer } {
    if (workerId === undefined) return { resource: this.#master };
    const info = points.find(({ series }) => series.family.type === 'info')?.series.labels;
    const known = this.#workers.get(workerId);
    // The same object for as long as its series exists. Without any point the worker has gone.
    if (known !== undefined && (known.info === info || points.length === 0)) {
      known.round = this.#round;
      return { resource: known.field };
    }
    const field = resourceField(workerResource(workerId, info, this.#settings.resourceAttributes));
    this.#workers.set(workerId, { info, field, round: this.#round });
    return known === undefined || known.field.equals(field)
      ? { resource: field }
      : { resource: field, replaced: known.field };
  }

  /** As it is now: its next round may still be far. */
  #resourceOfWorker(workerId: string | undefined): Buffer {
    if (workerId === undefined) return this.#master;
    return resourceField(workerResource(workerId, this.#infoOf(workerId), this.#settings.resourceAttributes));
  }

  #forgetWorkers(): void {
    for (const [workerId, { round }] of this.#workers) if (round < this.#round) this.#workers.delete(workerId);
    this.#round++;
  }
}

function transportOf(settings: OtlpSettings, clock: Clock): Transport {
  const secrets = secretsOf(settings);
  const Kind = settings.protocol === 'grpc' ? GrpcTransport : HttpTransport;
  try {
    return new Kind(settings, secrets, clock);
  } catch (error) {
    // A library refuses what the settings allow: that is this receiver's failure, and no other's.
    const detail = masked(messageOf(error), secrets);
    return { send: async () => ({ type: 'retry', code: 'failed', detail }), close: () => undefined };
  }
}

/** What a worker registered with is in its resource. The build of the master is, too. */
function isMetric({ series: { family } }: Point<OtlpSeries>): boolean {
  return family.type !== 'info';
}
