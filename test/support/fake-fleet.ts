/** Simulated workers of a real TelemetryManager in this process, in faked time: an hour of theirs takes a moment. */

import { fromBinary } from '@bufbuild/protobuf';
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import type { Clock, Timer } from '../../src/lib/clock.ts';
import type { WorkerEvent } from '../../src/model/events.ts';
import { eventually } from './eventually.ts';
import { FakeClock } from './fake-clock.ts';
import { idsOf } from './sim/cohort.ts';
import { SimWorker } from './sim/sim-worker.ts';

/** Time that passes when the test says so, and whose wall clock somebody sets. */
export class SettableClock extends FakeClock {
  #wallOffsetMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.#wallOffsetMs;
  }

  #stalledMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.#stalledMs;
  }

  /** Time passes in which nothing runs: what is due in it fires late. */
  stall(ms: number): void {
    this.#stalledMs += ms;
  }

  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}

/** Alike workers, as in `SimFleet`. */
export interface FakeCohort {
  readonly prefix: string;
  readonly count: number;
  readonly intervalMs: number;
  readonly group?: string;
  readonly ephemeral?: boolean;
  readonly clockOffsetMs?: number;
}

interface Member {
  readonly worker: SimWorker;
  readonly timer: Timer;
  /** By the monotonic clock; undefined: never. */
  sentMs: number | undefined;
}

/** What they need of a manager. */
type Target = Pick<TelemetryManager, 'announceWorker' | 'acceptHeartbeat' | 'directory'>;

export class FakeFleet {
  readonly #target: () => Target | undefined;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();

  /** `target`: whom they reach; undefined while there is no master. */
  constructor(clock: Clock, target: () => Target | undefined) {
    this.#clock = clock;
    this.#target = target;
  }

  get ids(): string[] {
    return [...this.#members.keys()];
  }

  /** They register, and send from here on, evenly spread over their interval. Resolves when there are values of each. */
  async add(cohort: FakeCohort): Promise<void> {
    const ids = this.addAtOnce(cohort);
    const target = this.#target();
    if (target !== undefined) await haveValues(target, ids);
  }

  /** The same without waiting for their lanes. */
  addAtOnce(cohort: FakeCohort): readonly string[] {
    const { intervalMs, count, group = '', ephemeral = false, clockOffsetMs = 0 } = cohort;
    for (const [i, workerId] of idsOf(cohort).entries()) {
      const clock = this.#clock;
      const worker = new SimWorker({ clock, workerId, intervalMs, clockOffsetMs, isGo: false, group, ephemeral });
      this.#target()?.announceWorker(fromBinary(WorkerInfoSchema, worker.info));
      let timer: Timer = clock.after((intervalMs * i) / count, () => {
        timer = clock.every(intervalMs, () => this.#send(member));
        this.#send(member);
      });
      const member: Member = { worker, timer: { cancel: () => timer.cancel() }, sentMs: undefined };
      this.#members.set(workerId, member);
      this.#send(member);
    }
    return idsOf(cohort);
  }

  silence(ids: readonly string[]): void {
    for (const { worker } of this.#of(ids)) worker.isSilent = true;
  }

  /** They send again when it is their time. */
  resume(ids: readonly string[]): void {
    for (const { worker } of this.#of(ids)) worker.isSilent = false;
  }

  leave(ids: readonly string[]): void {
    for (const { worker } of this.#of(ids)) this.#target()?.acceptHeartbeat(Buffer.from(worker.farewell()));
  }

  setClockOffset(ids: readonly string[], offsetMs: number): void {
    for (const { worker } of this.#of(ids)) worker.clockOffsetMs = offsetMs;
  }

  /** They are gone, and not remembered here. */
  remove(ids: readonly string[]): void {
    for (const { worker, timer } of this.#of(ids)) {
      timer.cancel();
      this.#members.delete(worker.workerId);
    }
  }

  /** When a worker last sent, by the monotonic clock. */
  lastSentMs(id: string): number {
    const [member] = this.#of([id]);
    if (member?.sentMs === undefined) throw new Error(`${id} has never sent`);
    return member.sentMs;
  }

  #send(member: Member): void {
    const { worker } = member;
    const target = this.#target();
    if (target === undefined || !worker.sends) return;
    for (const message of worker.next()) target.acceptHeartbeat(Buffer.from(message));
    member.sentMs = this.#clock.monotonicMs();
  }

  #of(ids: readonly string[]): Member[] {
    return ids.map((id) => {
      const member = this.#members.get(id);
      if (member === undefined) throw new Error(`no simulated worker is called ${id}`);
      return member;
    });
  }
}

export interface FakedMaster {
  readonly clock: SettableClock;
  readonly manager: TelemetryManager;
  readonly fleet: FakeFleet;
  events(): readonly WorkerEvent[];
  stop(): Promise<void>;
}

/** Resolves when a heartbeat of each worker was applied: from its next one on it is active. Lanes run in real time. */
export async function haveValues({ directory }: Pick<TelemetryManager, 'directory'>, ids: readonly string[]) {
  await eventually(() => ids.every((id) => directory.get(id)?.slot.hasRecord === true));
}

/** Lanes run in real time: however far faked time goes meanwhile, none of them stands still. */
const NO_STALL_MS = Number.MAX_SAFE_INTEGER;

/** A manager in faked time with a fleet. All share one lane, unless the options say otherwise. */
export async function startFaked(options: TelemetryManagerOptions = {}): Promise<FakedMaster> {
  const clock = new SettableClock();
  const lanes = { maxDedicatedLanes: 0, sharedLanes: 1, laneStallMs: NO_STALL_MS };
  const manager = new TelemetryManager({ ...lanes, ...options, clock });
  await manager.start();
  await lanesAreUp(manager);
  const before = manager.events.all().at(-1)?.id ?? 0;
  let isReached = true;
  return {
    clock,
    manager,
    fleet: new FakeFleet(clock, () => (isReached ? manager : undefined)),
    events: () => manager.events.all().filter(({ id }) => id > before),
    stop: () => {
      isReached = false;
      return passing(clock, manager.shutdown());
    },
  };
}

/** Their threads start in real time: one that is not up after half a minute of faked time would be given up. */
export async function lanesAreUp(manager: TelemetryManager): Promise<void> {
  const areReady = () => manager.internalState().lanes.every(({ state }) => state === 'ready');
  if (manager.internalState().lanes.length > 0) return void (await eventually(areReady));
  const workerId = 'the first of all';
  manager.registerWorker(workerId);
  await eventually(areReady);
  manager.unregisterWorker(workerId);
}

/** Lets faked time pass along with real time until `work` is done. */
export async function passing<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  const timer = setInterval(() => clock.advance(5), 5);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
