/**
 * A running agent: measures, composes and sends a heartbeat per interval, and joins the parts that this takes. It runs in a
 * thread of its own beside a host program (`beat-loop.ts`), or alone in a process (`standalone.ts`).
 */

import { type Address, formatAddress } from '../config/kinds.ts';
import { ChildGroups } from '../lib/child-groups.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import { localAddressTowards } from '../lib/local-address.ts';
import { VERSION } from '../lib/version.ts';
import type { RunningTask } from '../model/telemetry.ts';
import { EndedTasks } from './ended-tasks.ts';
import { HostLag } from './host-lag.ts';
import { Hub, type HubSettings } from './hub/hub.ts';
import { MasterListener } from './listen.ts';
import { LoadFitter } from './load.ts';
import { machineGpus } from './measure/gpu/gpu-meter.ts';
import { toolPathComplaints } from './measure/gpu/tool-path.ts';
import { Machine, type MachineMeter } from './measure/machine.ts';
import type { Report } from './report.ts';
import { ExporterScraper } from './scrape/exporter-scraper.ts';
import { heartbeatOf, workerInfoOf } from './sender/compose.ts';
import { Connection } from './sender/connection.ts';
import type { AgentSettings } from './settings.ts';
import { merged, NO_TASKS, type Source } from './sources.ts';

/** Of the 3 s that stopping an agent may take: enough to register in the same network. */
const CONNECT_WITHIN_MS = 500;

export interface BeaterOptions {
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly report: Report;
  /** 1 by default. */
  readonly nextSequence?: number;
  /** This machine's by default. */
  readonly meter?: MachineMeter | undefined;
  /** Undefined if the process does nothing else: there is then no host loop whose lag could be measured. */
  readonly host?: BeaterHost;
}

/** The program that hosts the agent's thread, and the state that it keeps for a restarted thread. */
export interface BeaterHost {
  /** To be answered by {@link Beater.hostAnswered} when the host's event loop comes round. */
  readonly probe: (probe: number) => void;
  /** A heartbeat is about to be sent. */
  readonly beat: (sequence: number) => void;
  /** A master pointed this agent at itself. */
  readonly master: (master: string) => void;
  /** All ended tasks up to this number are told to a master, or dropped. */
  readonly endedTold: (upTo: number) => void;
  /** Process groups that run now, by their leaders. */
  readonly groups: (leaders: readonly number[]) => void;
}

export interface StopOptions {
  /** False after a failure: the master must not take it for a stop on purpose. True by default. */
  readonly saysFarewell?: boolean;
}

export class Beater {
  readonly tasks = new Map<string, RunningTask>();
  readonly metrics = new Map<string, number>();
  readonly ended: EndedTasks;
  readonly #options: BeaterOptions;
  readonly #report: Report;
  readonly #meter: MachineMeter;
  /** Tools that run. */
  readonly #groups: ChildGroups;
  readonly #connection: Connection;
  readonly #hostLag: HostLag | undefined;
  readonly #load: LoadFitter;
  #listener: MasterListener | undefined;
  #hub: Hub | undefined;
  #scraper: ExporterScraper | undefined;
  /** Tasks and metrics of the last heartbeat whose names an earlier source has. */
  #shadowed = 0;
  #intervalMs: number;
  #nextSequence: number;
  #lastBeatMs: number;
  #timer: Timer | undefined;
  #onConnected: (() => void) | undefined;
  #isMeasuring = false;
  #isStopped = false;
  #stopping: Promise<void> | undefined;
  #hasEnded = false;

  constructor(options: BeaterOptions) {
    const { settings, clock, nextSequence = 1, host } = options;
    const report: Report = (level, message, fields) => {
      if (!this.#hasEnded) options.report(level, message, fields);
    };
    this.#options = options;
    this.#report = report;
    this.#groups = new ChildGroups(host?.groups);
    const gpus = () => machineGpus({ clock, report, tools: settings.tools, groups: this.#groups });
    this.#meter = options.meter ?? new Machine({ clock, report, gpus: gpus() });
    this.#intervalMs = settings.intervalMs;
    this.#nextSequence = nextSequence;
    this.#lastBeatMs = clock.monotonicMs();
    this.#hostLag = host && new HostLag(clock, host.probe);
    this.#load = new LoadFitter(report);
    this.ended = new EndedTasks(report, (upTo) => host?.endedTold(upTo));
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
      onConnected: () => {
        this.ended.reconnected();
        this.#onConnected?.();
        this.#beat();
      },
      onAccepted: (sequence) => this.ended.accepted(sequence),
      onRefused: (sequence) => this.ended.refused(sequence),
    });
  }

  /** Resolves with the address it listens on, if it does. */
  async start(): Promise<string | undefined> {
    const { settings } = this.#options;
    void this.#reportToolPath();
    // The first heartbeat can then tell how busy the processors were since now.
    await this.#meter.usages(0);
    // Stopped while it starts, here and below: nothing is begun that nobody would end.
    if (this.#isStopped) return undefined;
    let listening: string | undefined;
    if (settings.listen !== undefined) {
      this.#listener = this.#makeListener();
      listening = await this.#listener.listen(settings.listen);
      if (this.#isStopped) {
        this.#listener.close();
        return listening;
      }
      if (settings.masters.length === 0)
        this.#report('info', `waiting on ${listening} for a master to register this worker`);
    }
    if (settings.hub !== undefined) {
      this.#hub = this.#makeHub(settings.hub);
      await this.#hub.start();
      if (this.#isStopped) return listening;
    }
    if (settings.scrape !== undefined) {
      this.#scraper = new ExporterScraper(settings.scrape, { clock: this.#options.clock, report: this.#report });
      this.#scraper.start();
    }
    this.#schedule();
    if (settings.masters.length > 0) this.#connection.pointAt(settings.masters);
    return listening;
  }

  hostAnswered(probe: number): void {
    this.#hostLag?.answered(probe);
  }

  /** Says farewell if a master listens, within 2.5 s, and ends all that it runs. May be called again. */
  stop({ saysFarewell = true }: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(saysFarewell);
    return this.#stopping;
  }

  async #stop(saysFarewell: boolean): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#hostLag?.stop();
    this.#listener?.close();
    this.#scraper?.stop();
    await this.#hub?.stop();
    if (saysFarewell && this.ended.waiting.length > 0) await this.#connectFirst();
    const farewell = saysFarewell && this.#connection.canSend() ? await this.#compose(true) : undefined;
    this.#reportUntold(farewell === undefined || !this.#connection.tellsEndedTasks ? 0 : farewell.endedTasks.length);
    await this.#connection.stop(farewell);
    // A tool that fails because it is ended here is not worth a line.
    this.#hasEnded = true;
    this.#groups.endAll();
  }

  /** A program that ends its tasks and stops at once may be faster than its connection. */
  async #connectFirst(): Promise<void> {
    if (this.#connection.state !== 'connecting' && this.#connection.state !== 'backing-off') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onConnected = resolve;
    const timer = this.#options.clock.after(CONNECT_WITHIN_MS, resolve);
    await promise;
    timer.cancel();
  }

  #reportUntold(told: number): void {
    const untold = this.ended.waiting.length - told;
    if (untold <= 0) return;
    this.#report('warn', `no master was told how ${untold} ended ${untold === 1 ? 'task' : 'tasks'} ended`);
  }

  /** Not part of the start, which does not wait for a disk. Never rejects. */
  async #reportToolPath(): Promise<void> {
    for (const complaint of await toolPathComplaints(this.#options.settings.tools.gpuToolPath)) {
      this.#report('warn', complaint);
    }
  }

  #makeListener(): MasterListener {
    const { settings, host } = this.#options;
    return new MasterListener({
      tls: settings.listenTls,
      names: settings.access.names,
      allegiance: () => ({
        workerId: settings.workerId,
        master: this.#connection.master,
        fixedMasters: settings.mastersAreFixed ? settings.masters : [],
      }),
      onMaster: (master) => {
        host?.master(formatAddress(master));
        this.#connection.pointAt([master]);
      },
    });
  }

  #makeHub(hub: HubSettings): Hub {
    const { settings, clock } = this.#options;
    return new Hub({
      settings: hub,
      names: settings.access.names,
      clock,
      report: this.#report,
      onEnded: (task) => this.ended.addOwn(task),
      untold: this.ended,
      status: () => this.#status(),
    });
  }

  /** For `GET /v1/status` of the hub. */
  #status() {
    const { master, state } = this.#connection;
    return {
      worker_id: this.#options.settings.workerId,
      agent_version: VERSION,
      master: master === undefined ? null : formatAddress(master),
      is_connected: state === 'streaming' || state === 'unary',
      ended_tasks_to_tell: this.ended.waiting.length,
      left_out: { tasks: this.#load.leftOut.tasks, metrics: this.#load.leftOut.metrics, same_name: this.#shadowed },
      scraped: this.#scraper?.status ?? [],
    };
  }

  /** In order of precedence. */
  #sources(): Source[] {
    const program: Source = { tasks: this.tasks, metrics: this.metrics };
    const state = this.#hub?.state;
    const hub: Source[] =
      state === undefined
        ? []
        : [
            { tasks: state.tasks.tasks, metrics: state.metrics.values },
            { tasks: NO_TASKS, metrics: state.otlpMetrics.values },
          ];
    const scraped = (this.#scraper?.metrics ?? []).map((metrics): Source => ({ tasks: NO_TASKS, metrics }));
    return [program, ...hub, ...scraped];
  }

  async #registration(master: Address) {
    const { settings, clock } = this.#options;
    const [capacity, workerIp] = await Promise.all([this.#meter.capacity(), localAddressTowards(master, clock)]);
    return workerInfoOf(settings, { capacity, workerIp, intervalMs: this.#intervalMs });
  }

  /** The next heartbeat is due one interval after the last; those missed during a stall are not sent later. */
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
      .catch((error: unknown) => this.#report('error', `a heartbeat could not be made: ${messageOf(error)}`))
      .finally(() => {
        this.#isMeasuring = false;
      });
  }

  async #measureAndSend(): Promise<void> {
    // Also when nothing can be sent, so that the next usage covers the last interval and not a whole outage.
    const heartbeat = await this.#compose(false);
    if (this.#isStopped || !this.#connection.send(heartbeat)) return;
    if (this.#connection.tellsEndedTasks) this.ended.sent(this.#nextSequence, heartbeat.endedTasks.length);
    this.#nextSequence += 1;
    this.#options.host?.beat(Number(heartbeat.sequence));
  }

  async #compose(leaving: boolean) {
    const { settings, clock } = this.#options;
    // A farewell waits for nothing that is slow.
    const usages = await this.#meter.usages(leaving ? 0 : this.#intervalMs);
    const { tasks, metrics, shadowed } = merged(this.#sources());
    this.#shadowed = shadowed;
    return heartbeatOf({
      settings,
      usages,
      ...this.#load.fit(tasks, metrics, this.ended.waiting, this.#hub === undefined && this.#scraper === undefined),
      sequence: this.#nextSequence,
      sentAtUnixMs: clock.wallMs(),
      // 0, which is not sent, where there is no host.
      hostLoopLagMs: this.#hostLag?.takeMs() ?? 0,
      lastRoundTripMs: this.#connection.lastRoundTripMs,
      leaving,
    });
  }
}
