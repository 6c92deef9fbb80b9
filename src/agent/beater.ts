/**
 * What exists between the host's `begin` and its `stop`: measures, composes and sends a heartbeat per interval, and
 * joins the parts that this takes.
 */

import { type Address, formatAddress } from '../config/kinds.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { localAddressTowards } from '../lib/local-address.ts';
import type { RunningTask } from '../model/telemetry.ts';
import { HostLag } from './host-lag.ts';
import { MasterListener } from './listen.ts';
import { LoadFitter } from './load.ts';
import type { MachineMeter } from './measure/machine.ts';
import type { FromThread } from './messages.ts';
import type { Report } from './report.ts';
import { heartbeatOf, workerInfoOf } from './sender/compose.ts';
import { Connection } from './sender/connection.ts';
import type { AgentSettings } from './settings.ts';

export interface BeaterOptions {
  readonly settings: AgentSettings;
  readonly nextSequence: number;
  readonly clock: Clock;
  readonly meter: MachineMeter;
  readonly report: Report;
  readonly post: (message: FromThread) => void;
}

export class Beater {
  readonly tasks = new Map<string, RunningTask>();
  readonly metrics = new Map<string, number>();
  readonly #options: BeaterOptions;
  readonly #connection: Connection;
  readonly #hostLag: HostLag;
  readonly #load: LoadFitter;
  #listener: MasterListener | undefined;
  #intervalMs: number;
  #nextSequence: number;
  #lastBeatMs: number;
  #timer: Timer | undefined;
  #isMeasuring = false;
  #isStopped = false;

  constructor(options: BeaterOptions) {
    const { settings, clock, report, post } = options;
    this.#options = options;
    this.#intervalMs = settings.intervalMs;
    this.#nextSequence = options.nextSequence;
    this.#lastBeatMs = clock.monotonicMs();
    this.#hostLag = new HostLag(clock, (probe) => post({ type: 'probe', probe }));
    this.#load = new LoadFitter(report);
    this.#connection = new Connection({
      workerId: settings.workerId,
      access: settings.access,
      clock,
      report,
      registration: (master) => this.#registration(master),
      ownIntervalMs: settings.intervalMs,
      intervalMs: () => this.#intervalMs,
      onInterval: (intervalMs) => {
        this.#intervalMs = intervalMs;
        this.#schedule();
      },
      onLimits: (limits, master) => this.#load.limit(limits, master),
      onConnected: () => this.#beat(),
    });
  }

  /** Resolves with the address it listens on, if it does. */
  async start(): Promise<string | undefined> {
    const { settings, report, meter } = this.#options;
    // The first heartbeat can then tell how busy the processors were since now.
    await meter.usages(0);
    let listening: string | undefined;
    if (settings.listen !== undefined) {
      this.#listener = this.#makeListener();
      listening = await this.#listener.listen(settings.listen);
      if (settings.masters.length === 0) report('info', `waiting on ${listening} for a master to register this worker`);
    }
    if (this.#isStopped) return listening;
    this.#schedule();
    if (settings.masters.length > 0) this.#connection.pointAt(settings.masters);
    return listening;
  }

  hostAnswered(probe: number): void {
    this.#hostLag.answered(probe);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#hostLag.stop();
    this.#listener?.close();
    const farewell = this.#connection.canSend() ? await this.#compose(true) : undefined;
    await this.#connection.stop(farewell);
  }

  #makeListener(): MasterListener {
    const { settings, post } = this.#options;
    return new MasterListener({
      tls: settings.listenTls,
      names: settings.access.names,
      allegiance: () => ({
        workerId: settings.workerId,
        master: this.#connection.master,
        fixedMasters: settings.mastersAreFixed ? settings.masters : [],
      }),
      onMaster: (master) => {
        post({ type: 'master', master: formatAddress(master) });
        this.#connection.pointAt([master]);
      },
    });
  }

  async #registration(master: Address) {
    const { settings, clock, meter } = this.#options;
    const [capacity, workerIp] = await Promise.all([meter.capacity(), localAddressTowards(master, clock)]);
    return workerInfoOf(settings, { capacity, workerIp, intervalMs: this.#intervalMs });
  }

  /** The next heartbeat is one interval after the last; those missed in a stall are not made up for. */
  #schedule(): void {
    this.#timer?.cancel();
    if (this.#isStopped) return;
    const { clock } = this.#options;
    const delayMs = Math.max(0, this.#lastBeatMs + this.#intervalMs - clock.monotonicMs());
    this.#timer = clock.after(delayMs, () => this.#beat());
  }

  #beat(): void {
    this.#lastBeatMs = this.#options.clock.monotonicMs();
    this.#schedule();
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    this.#measureAndSend()
      .catch((error: unknown) => this.#options.report('error', `a heartbeat could not be made: ${messageOf(error)}`))
      .finally(() => {
        this.#isMeasuring = false;
      });
  }

  async #measureAndSend(): Promise<void> {
    // Also when nothing can be sent, so that the next usage is that of the last interval, not of a whole outage.
    const heartbeat = await this.#compose(false);
    if (this.#isStopped || !this.#connection.send(heartbeat)) return;
    this.#nextSequence += 1;
    this.#options.post({ type: 'beat', sequence: Number(heartbeat.sequence) });
  }

  async #compose(leaving: boolean) {
    const { settings, clock, meter } = this.#options;
    // A farewell waits for nothing that is slow.
    const usages = await meter.usages(leaving ? 0 : this.#intervalMs);
    return heartbeatOf({
      settings,
      usages,
      ...this.#load.fit(this.tasks, this.metrics),
      sequence: this.#nextSequence,
      sentAtUnixMs: clock.wallMs(),
      hostLoopLagMs: this.#hostLag.takeMs(),
      lastRoundTripMs: this.#connection.lastRoundTripMs,
      leaving,
    });
  }
}
