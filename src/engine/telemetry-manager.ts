/**
 * The public face of the engine: takes heartbeats, keeps each worker's newest state in shared memory, judges who is
 * alive. Usable by itself in any program; gRPC, HTTP and the prompt are built around it. What is behind each method is in
 * the part that it names; assemble.ts joins them.
 */
import type { WorkerInfo } from '../gen/pulselane/v1/telemetry_pb.ts';
import { until } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { holdThread } from '../lib/threads.ts';
import type { EventLog, NewEvent } from '../model/events.ts';
import { type HeartbeatHead, scanHeartbeat } from '../model/heartbeat-scan.ts';
import type { Holds } from '../model/holds.ts';
import type { Isolation } from '../model/isolation.ts';
import type { HeartbeatInput, WorkerTelemetry } from '../model/telemetry.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import type { Announcement } from '../reading/directory.ts';
import type { BoardMemory } from '../store/board.ts';
import { assembleEngine, type EngineParts } from './assemble.ts';
import type { FrontGauges } from './figure-publisher.ts';
import { heartbeatBytes } from './heartbeat-bytes.ts';
import type { Intake } from './intake.ts';
import { type InternalState, internalStateOf } from './internal-state.ts';
import { exceededBy, type LanePlan } from './lanes/lane-plan.ts';
import type { LaneStanding } from './lanes/lane-policy.ts';
import type { Via } from './liveness/worker-liveness.ts';
import type { TelemetryManagerOptions } from './manager-options.ts';
import type { AdmissionMode, Member, Members } from './persistence/members.ts';
import { restoreWorkers, savedValuesOf } from './persistence/restore.ts';
import type { SavedValues } from './persistence/values-file.ts';
import type { Refusals } from './refusals.ts';
import type { UpdateCallback } from './update-watcher.ts';
import type { IdentityViolation } from './workers/identity-violations.ts';

export type { TelemetryManagerOptions } from './manager-options.ts';

/** Lanes get this long to finish what they were given before they are ended. */
const DRAIN_WITHIN_MS = 2000;

export class TelemetryManager {
  readonly #parts: EngineParts;
  #onActive: (workerId: string) => void = () => {};
  #stopping: Promise<void> | undefined;

  /** @throws PulselaneError `bad_setting` */
  constructor(options: TelemetryManagerOptions = {}) {
    this.#parts = assembleEngine(options, (workerId) => this.#onActive(workerId));
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins to judge. Heartbeats are taken from here on.
   * @throws PulselaneError `bad_setting` if the processor cannot be loaded; `unavailable` if it was started before.
   */
  async start(): Promise<void> {
    if (this.#stopping !== undefined || !this.#parts.phase.isNew) {
      throw new PulselaneError('unavailable', 'a TelemetryManager is started once: make another');
    }
    holdThread('lane/thread');
    this.#parts.phase.begin();
    this.#checkPlan();
    this.#parts.pulse.begin();
    if (this.#parts.processorUrl !== undefined) await this.#tryProcessor();
  }

  /** Takes no more heartbeats, lets lanes finish what they were given, ends all threads. Safe to call again. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#shutdown();
    return this.#stopping;
  }

  /** Before anything else depends on it, so that a wrong path is an error at the start and not a fleet in quarantine. */
  async #tryProcessor(): Promise<void> {
    const lane = await this.#parts.lanes.startFirst();
    if (this.#stopping !== undefined) throw new PulselaneError('unavailable', 'it was shut down while it started');
    if (lane.state === 'ready') return;
    await this.shutdown();
    const reason = lane.lastError ?? 'it does not start';
    throw new PulselaneError(
      'bad_setting',
      reason.startsWith('processor ') ? reason : `processor ${this.#parts.processorUrl}: when it was loaded, ${reason}`,
    );
  }

  async #shutdown(): Promise<void> {
    const { phase, lanes, pulse, deliveries, slots, updates, clock } = this.#parts;
    phase.end();
    lanes.drain();
    pulse.stop();
    await until(clock, () => deliveries.isAllDone(), { withinMs: DRAIN_WITHIN_MS, everyMs: 5 });
    deliveries.stop();
    slots.stop();
    updates.look();
    updates.stop();
    await lanes.stop();
  }

  // ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a worker known before its first heartbeat, as an operator would: it is admitted, shown with zeros, and not
   * active. Knows it already: nothing happens.
   * @throws PulselaneError `invalid_argument`, `resource_exhausted` at the worker limit, `unavailable`
   */
  registerWorker(workerId: string): void {
    checkWorkerId(workerId);
    this.#parts.phase.mustRun();
    this.#parts.admission.register(workerId);
  }

  /** Forgets a worker, its approval, its lane and its memory. @returns whether there was any of these. */
  unregisterWorker(workerId: string): boolean {
    return this.#parts.admission.unregister(workerId);
  }

  /**
   * Forgets a worker on its own behalf; what an operator said of it, approval and address, stays. An instance speaks for
   * itself alone, and only while no other one speaks for the worker.
   * @returns whether the worker was known
   * @throws PulselaneError `failed_precondition` if another instance of it is there; `rate_limited`
   */
  deregisterWorker(workerId: string, instanceId: string): boolean {
    return this.#parts.admission.deregister(workerId, instanceId);
  }

  /**
   * Lets in a worker. One that is not there yet is shown once it comes.
   * @returns whether it is known, waits to be let in, or has never come
   * @throws PulselaneError `invalid_argument`, `unavailable`, `resource_exhausted` if there is no room for it;
   * `failed_precondition` if it is not known and admission is open
   */
  approve(workerId: string): 'known' | 'waiting' | 'awaited' {
    checkWorkerId(workerId);
    this.#parts.phase.mustRun();
    return this.#parts.admission.approve(workerId);
  }

  /**
   * Decides which kind of lane a worker is to have; that outlives the worker's absence, and the master.
   * @returns where it leaves the worker
   * @throws PulselaneError `invalid_argument`; `not_found` if nothing is known or kept of the worker; `unavailable`; `resource_exhausted` if too many decisions are kept already
   */
  isolate(workerId: string, isolation: Isolation): LaneStanding {
    this.#parts.phase.mustRun();
    return this.#parts.admission.isolate(workerId, isolation);
  }

  /** What a worker said of itself last, if it did so in bytes of this digest: they need not be decoded again. */
  announced(digest: string): WorkerInfo | undefined {
    return this.#parts.admission.announced(digest);
  }

  /**
   * Announces a worker on its own behalf, so only if it is admitted.
   * @param digest of the bytes in which it says so; undefined: nobody knows it
   * @throws as `processHeartbeat`; `rate_limited`
   */
  announceWorker(info: WorkerInfo, digest?: string): void {
    checkWorkerId(info.workerId);
    this.#parts.phase.mustRun();
    this.#parts.admission.announce(info, digest);
  }

  // ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes a heartbeat and returns at once; its lane decodes and publishes it. An unknown worker is admitted under `open`.
   * @throws PulselaneError `invalid_argument`, `not_admitted`, `resource_exhausted` at the worker limit, `unavailable`
   */
  processHeartbeat(heartbeat: HeartbeatInput): void {
    this.acceptHeartbeat(heartbeatBytes(heartbeat));
  }

  /**
   * The same for the bytes of a `cluster.Heartbeat` or `pulselane.v1.Heartbeat`. They are kept until a lane is done with
   * them and must not change. `head` is what {@link scanHeartbeat} read of them; `via` the stream by which they came, see
   * {@link hungUp}.
   * @throws PulselaneError `failed_precondition` if a later instance of the worker has spoken, `rate_limited`
   */
  acceptHeartbeat(bytes: Buffer, head: HeartbeatHead = scanHeartbeat(bytes), via?: Via): void {
    this.#parts.intake.accept(bytes, head, via);
  }

  /** Where they are taken: for who has read a heartbeat's head by itself. */
  get intake(): Pick<Intake, 'accept'> {
    return this.#parts.intake;
  }

  /** A stream is over because its client closed it, who spoke for these workers. */
  hungUp(workerIds: Iterable<string>, via: Via): void {
    this.#parts.liveness.hungUp(workerIds, via);
  }

  /** How often to send, as one worker is told; in a large fleet it differs a little from one to the next. */
  intervalToTell(random = Math.random()): number {
    return this.#parts.liveness.intervalToTell(random);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The newest that is known of a worker; undefined if the worker is not known. */
  getWorkerTelemetry(workerId: string): WorkerTelemetry | undefined {
    const entry = this.#parts.roster.get(workerId);
    return entry === undefined ? undefined : this.#parts.telemetryOf(entry);
  }

  /** The newest of every worker, by id. */
  getAllWorkerTelemetry(): Map<string, WorkerTelemetry> {
    const all = new Map<string, WorkerTelemetry>();
    for (const entry of this.#parts.roster.all()) all.set(entry.workerId, this.#parts.telemetryOf(entry));
    return all;
  }

  /**
   * Calls `callback` on this thread whenever a worker's record has changed: in order per worker, with the newest record;
   * one that falls behind gets merged updates. One callback at a time; undefined takes it away.
   */
  setUpdateCallback(callback: UpdateCallback | undefined): void {
    this.#parts.updates.set(callback);
  }

  // ── for what is built around the engine ──────────────────────────────────────────────────────────────────────

  get boardMemory(): BoardMemory {
    return this.#parts.board.memory;
  }

  /** What happened of late. */
  get events(): EventLog {
    return this.#parts.roster.directory.events;
  }

  /** Tells what was seen by what is built around the engine: in the log of events, and to every reader. */
  recordEvent(event: NewEvent): void {
    this.#parts.liveness.recordEvent(event);
  }

  /** What keeps the master from judging, for now. */
  get holds(): Holds {
    return this.#parts.liveness.holds;
  }

  /**
   * Ends the brake on mass failure: those who are silent have failed. @param group of workers; undefined: all.
   * @returns how many brakes were held
   */
  releaseBrakes(group?: string): number {
    return this.#parts.liveness.releaseBrakes(group);
  }

  get admission(): AdmissionMode {
    return this.#parts.members.mode;
  }

  get members(): Members {
    return this.#parts.members;
  }

  /** For readers on the main thread: the prompt. */
  get directory() {
    return this.#parts.roster.directory;
  }

  /** What a new reading thread must be told; `onAnnouncement` tells what comes after. */
  announcements(): readonly Announcement[] {
    return this.#parts.roster.announcements();
  }

  /** @returns how to stop listening. */
  onAnnouncement(listener: (announcement: Announcement) => void): () => void {
    return this.#parts.roster.listen(listener);
  }

  /**
   * Takes over what an earlier master kept: who may be there, and who was, with their last values. Workers with an address
   * are known from the start, too. Called once, before anybody else is heard.
   */
  restore(members: readonly Member[], values: ReadonlyMap<string, SavedValues>): void {
    restoreWorkers(members, values, this.#parts);
  }

  /** Called with each worker that becomes active: there are values of it. Must be cheap, and there is one. */
  onActive(listener: (workerId: string) => void): void {
    this.#onActive = listener;
  }

  /** The last values of a worker; undefined if there are none. */
  valuesOf(workerId: string): SavedValues | undefined {
    const entry = this.#parts.roster.get(workerId);
    return entry === undefined ? undefined : savedValuesOf(entry, this.#parts.board, this.#parts.clock.monotonicMs());
  }

  /** The last values of each worker that has sent any, to be asked for one by one and taken at once. */
  *savedValues(): Generator<SavedValues> {
    for (const entry of this.#parts.roster.all()) {
      const values = savedValuesOf(entry, this.#parts.board, this.#parts.clock.monotonicMs());
      if (values !== undefined) yield values;
    }
  }

  /** What is in front of the engine and is to be shown with its own gauges; asked four times a second. */
  set front(gauges: () => FrontGauges) {
    this.#parts.figures.front = gauges;
  }

  /** What was refused, here or by those in front of the engine, who count it here too. */
  get refusals(): Refusals {
    return this.#parts.refusals;
  }

  /** The group of a worker, empty if it has none; undefined if the worker is not known. */
  groupOf(workerId: string): string | undefined {
    return this.#parts.roster.get(workerId)?.liveness.group;
  }

  /** A peer spoke for a worker that it is not, and was refused. */
  identityViolated(violation: IdentityViolation): void {
    this.#parts.admission.identityViolated(violation);
  }

  /** Takes a worker out of quarantine before its time. @returns whether it was in quarantine */
  releaseWorker(workerId: string): boolean {
    const entry = this.#parts.roster.get(workerId);
    return entry !== undefined && this.#parts.lanes.release(entry);
  }

  internalState(): InternalState {
    return internalStateOf(this.#parts);
  }

  /** How many workers get a thread of their own, and why. */
  get lanePlan(): LanePlan {
    return this.#parts.lanePlan;
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

  #checkPlan(): void {
    const { lanePlan, lanesAsked, logger } = this.#parts;
    const exceeded = exceededBy(lanePlan);
    if (exceeded.length === 0) return;
    const limits = exceeded.map(({ resource, setting, lanes }) => `${lanes} by ${resource} (${setting})`).join(', ');
    logger.warn(`MAX_DEDICATED_LANES is ${lanesAsked}, more than this machine seems to carry: ${limits}`);
  }
}
