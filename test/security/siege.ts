/**
 * A real master in a process of its own, with healthy workers that beat from another one, and what has to hold after each
 * attack: it lives and answers, its memory is what it was, and no healthy worker noticed anything.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { status as grpcStatus } from '@grpc/grpc-js';
import { expect } from 'vitest';
import type { WorkerEvent } from '../../src/model/events.ts';
import { eventually } from '../support/eventually.ts';
import { FaultMaster } from '../support/fault-master.ts';
import { bearer, WorkerClient } from '../support/grpc-client.ts';
import { type Cohort, idsOf } from '../support/sim/cohort.ts';
import { SimFleet } from '../support/sim-fleet.ts';

const MIB = 1024 ** 2;
const INTERVAL_MS = 1000;

/**
 * Where attacks come from: another address than that of the healthy workers, so that what is limited for an address is so
 * for the attacker's. Linux has all of 127/8 on loopback.
 */
export const ATTACKER = '127.0.0.2';

/**
 * What may be left of an attack on the main thread's heap and beside it once it is over: tables that have grown and keep
 * their size, code that was compiled. An attack of ours that left something for each of its frames would leave more.
 */
const LEFT_BYTES = 16 * MIB;
/**
 * What the process may take at any moment beyond what it had before the first attack: garbage of the floods that is not collected
 * yet, and buffers of a few hundred sockets. V8 lets young objects take up to 64 MiB in each of its heaps and gives little of it back.
 * Main, lane, HTTP and history, which stores the events of each flood, have one: 256 MiB. 400 connections, each with 64 KiB that it
 * reads into and a registration of 58 KB, take 48 MiB, and their sessions some more. How much of that is garbage at the same time
 * depends on how busy the machine is: 200 to 280 MiB were seen. An attack that is kept would need 180 MiB more: what the registrations
 * of one flood take together.
 */
const PEAK_BYTES = 320 * MIB;

/** What the well-behaved show, where something is asked for. */
export interface Credentials {
  /** Of all healthy workers, and of the newcomer. */
  readonly workers?: string;
  /** That may operate. */
  readonly api?: string;
}

/** Who comes anew after each attack. */
const NEWCOMER = 'newcomer';
const COHORTS = [
  { prefix: 'own-', count: 6, link: 'own' },
  { prefix: 'shared-', count: 10, link: 'shared' },
  { prefix: 'go-', count: 4, link: 'go' },
] as const satisfies Partial<Cohort>[];
/** Everybody who means well. */
export const WELL_BEHAVED: readonly string[] = [...COHORTS.flatMap(idsOf), NEWCOMER];

export class Siege {
  readonly master: FaultMaster;
  readonly #credentials: Credentials;
  readonly #fleet: SimFleet;
  #lastEventId = 0;
  #rssBytesAtFirst = 0;

  private constructor(master: FaultMaster, fleet: SimFleet, credentials: Credentials) {
    this.master = master;
    this.#fleet = fleet;
    this.#credentials = credentials;
  }

  static async start(settings: Readonly<Record<string, string>> = {}, credentials: Credentials = {}): Promise<Siege> {
    const master = await FaultMaster.start({
      HEARTBEAT_INTERVAL: `${INTERVAL_MS}ms`,
      INACTIVITY_TIMEOUT: '10s',
      ...settings,
    });
    try {
      master.apiToken = credentials.api;
      const { workers: token } = credentials;
      const common = { port: master.grpcPort, intervalMs: INTERVAL_MS, ...(token === undefined ? {} : { token }) };
      const fleet = await SimFleet.start(COHORTS.map((cohort) => ({ ...cohort, ...common })));
      const siege = new Siege(master, fleet, credentials);
      await fleet.hasSent(2);
      await siege.#noteEvents();
      siege.#rssBytesAtFirst = (await master.usage()).rssBytes;
      return siege;
    } catch (error) {
      await master.close();
      throw error;
    }
  }

  get grpcPort(): number {
    return this.master.grpcPort;
  }

  get httpPort(): number {
    return this.master.httpPort;
  }

  /** Runs an attack, and sees that it did no harm. */
  async withstands(attack: (siege: Siege) => Promise<unknown>): Promise<void> {
    const { pid } = this.master;
    const before = await this.master.usage();
    await attack(this);
    await this.#answers();
    await this.#healthyWorkersAreWell();
    expect(this.master.pid).toBe(pid);
    const peak = peakRssBytes(pid) - this.#rssBytesAtFirst;
    expect(peak, 'bytes taken at the height of the attack').toBeLessThan(PEAK_BYTES);
    let left = 0;
    // What the other side closes takes a moment to be gone here.
    await eventually(async () => {
      const now = await this.master.usage();
      left = now.heapUsedBytes + now.externalBytes - before.heapUsedBytes - before.externalBytes;
      return left < LEFT_BYTES;
    }, 10_000).catch(() => {});
    expect(left, 'bytes left of the attack').toBeLessThan(LEFT_BYTES);
  }

  async close(): Promise<void> {
    await this.#fleet.stop();
    await this.master.close();
  }

  /** Both fronts, to somebody who comes anew. */
  async #answers(): Promise<void> {
    const { status } = await this.master.get('/health');
    expect(status).toBe('healthy');
    const { workers: token } = this.#credentials;
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    const client = new WorkerClient(this.grpcPort, options, token === undefined ? {} : bearer(token));
    try {
      await client.sendHeartbeat({ workerId: NEWCOMER });
      await eventually(async () => (await this.master.get('/telemetry'))[NEWCOMER]?.is_active);
      await eventually(async () => {
        const bytes = Buffer.from([0x0a, NEWCOMER.length, ...Buffer.from(NEWCOMER)]);
        const error = await client.call('Deregister', bytes).then(
          () => undefined,
          (failed) => failed,
        );
        // It has come and gone after other attacks a moment ago, and does as it is told: it waits.
        if (error?.code === grpcStatus.RESOURCE_EXHAUSTED)
          await delay(Number(error.metadata.get('grpc-retry-pushback-ms')[0]));
        else if (error !== undefined) throw error;
        return error === undefined;
      });
    } finally {
      client.close();
    }
  }

  async #healthyWorkersAreWell(): Promise<void> {
    const { ids } = this.#fleet;
    const counts = await this.#fleet.counts();
    for (const [i, id] of ids.entries()) {
      const { sent } = counts[i] as { sent: number };
      // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what is looked at
      let detail: any;
      await eventually(async () => {
        detail = await this.master.get(`/api/v1/workers/${id}`);
        return detail.heartbeats.accepted >= sent && detail.heartbeats.applied >= sent;
      }, 10_000).catch(() => {});
      const { accepted, applied, missed, late, rejected, replaced, lost } = detail.heartbeats;
      expect({ id, state: detail.state, missed, late, rejected, replaced, lost }).toEqual({
        id,
        state: 'active',
        missed: 0,
        late: 0,
        rejected: 0,
        replaced: 0,
        lost: 0,
      });
      expect(Math.min(accepted, applied), `${id} sent ${sent}`).toBeGreaterThanOrEqual(sent);
    }
    expect((await this.#fleet.state()).refused).toEqual([]);
    expect(await this.#noteEvents()).toEqual([]);
  }

  /** What happened to healthy workers since it was asked last. That somebody poses as one is told, and changes nothing. */
  async #noteEvents(): Promise<WorkerEvent[]> {
    const events = (await this.master.events()).filter(({ id }) => id > this.#lastEventId);
    this.#lastEventId = events.at(-1)?.id ?? this.#lastEventId;
    const healthy = new Set(this.#fleet.ids);
    return events.filter(({ type, workerId = '' }) => type !== 'identity' && healthy.has(workerId));
  }
}

/** Of its whole life. */
function peakRssBytes(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}
