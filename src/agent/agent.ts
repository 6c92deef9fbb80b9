/**
 * The worker's side, for programs that embed it: reports this machine, and the program's tasks and metrics, to a
 * master. It measures and sends in a thread of its own, so that heartbeats go out while the program is busy.
 */
import '../lib/require-node.ts';

import { peerAddress } from '../config/kinds.ts';
import type { SettingNames } from '../config/setting-names.ts';
import { ChildGroups } from '../lib/child-groups.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/logging.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import type { FromThread, ToThread } from './messages.ts';
import { type Report, reportTo } from './report.ts';
import { type AgentSettings, type AgentSettingsOptions, checkAgentOptions, STOP_WITHIN_MS } from './settings.ts';
import { type TaskChanges, type TaskEnd, type TaskInput, Workload } from './workload.ts';

export type { TaskChanges, TaskEnd, TaskInput } from './workload.ts';

export interface AgentOptions extends AgentSettingsOptions {
  /** Receives one line per transition; none by default. */
  readonly logger?: Logger | undefined;
}

/** Room for 50,000 tasks and 10,000 metrics on both sides of their encoding; the thread itself needs 20. */
const THREAD_HEAP_MIB = 256;

/**
 * ```ts
 * const agent = new Agent({ workerId: 'worker-1', master: '10.0.0.5:50051' });
 * await agent.start();
 * agent.addTask({ taskId: 'render-17', cpuAllocated: 2 });
 * agent.setMetric('queue_depth', 3);
 * await agent.stop();
 * ```
 * It keeps the process alive from `start` to `stop`. A stopped agent cannot be started again: make another.
 */
export class Agent {
  readonly #clock: Clock = systemClock;
  readonly #report: Report;
  readonly #workload = new Workload();
  readonly #thread: SupervisedThread<FromThread, ToThread>;
  /** Processes that the thread runs; ended here if the thread ends without ending them. */
  readonly #groups = new ChildGroups();
  readonly #begun = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #settings: AgentSettings;
  #nextSequence = 1;
  #listening: string | undefined;
  /** The current thread has begun. */
  #isReady = false;
  /** A thread has begun before: one that cannot begin is then started again; the first is not. */
  #hasBegun = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * @param names how errors name the options; by default as they are written here
   * @throws PulselaneError `invalid_argument`, naming the option
   */
  constructor(options: AgentOptions, names?: SettingNames) {
    this.#settings = checkAgentOptions(options, names);
    this.#report = reportTo(options.logger ?? silentLogger);
    this.#thread = new SupervisedThread<FromThread, ToThread>({
      script: 'agent/thread',
      name: 'pulse-agent',
      limits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
      clock: this.#clock,
      onStart: () => this.#begin(),
      onMessage: (message) => this.#receive(message),
      onDeath: (death) => this.#died(death),
    });
  }

  /** The address on which it waits for a master's call, as `host:port`; undefined if it does not listen. */
  get listening(): string | undefined {
    return this.#listening;
  }

  /**
   * Resolves when it measures and, if so configured, listens. The master need not be reachable yet: the agent keeps trying.
   * A second call returns the same promise, until `stop`; after that it is an error.
   * @throws PulselaneError `unavailable` if it was stopped, also while it started; `environment` if the thread or the port to listen on cannot be had
   */
  start(): Promise<void> {
    // Also if it was started before: it does not run any more.
    if (this.#stopping === undefined) this.#starting ??= this.#start();
    else return Promise.reject(new PulselaneError('unavailable', 'the agent is stopped: make another'));
    return this.#starting;
  }

  /**
   * Says farewell to the master and ends the thread, within 3 s. If a master has to be told of ended tasks and none is connected,
   * the agent waits half a second for the connection, and logs how many could not be told. May be called again and before `start`.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** @throws PulselaneError `invalid_argument` naming the field, also for a task that was added before */
  addTask(task: TaskInput): void {
    this.#thread.post({ type: 'task', task: this.#workload.addTask(task, this.#clock.wallMs()) });
  }

  /** @throws PulselaneError `not_found` for an unknown task, `invalid_argument` naming the field */
  updateTask(taskId: string, changes: TaskChanges): void {
    this.#thread.post({ type: 'task', task: this.#workload.updateTask(taskId, changes) });
  }

  /**
   * Removes a task without saying how it ended.
   * @throws PulselaneError `not_found` for an unknown task
   */
  removeTask(taskId: string): void {
    this.#workload.removeTask(taskId);
    this.#thread.post({ type: 'task-removed', taskId });
  }

  /**
   * Removes a task, and tells the master when and how it ended, however short it was. It is told until the master has it, also
   * another master: up to 1,000 ended tasks wait, then the oldest are dropped, with a log line.
   * @throws PulselaneError `not_found` for an unknown task, `invalid_argument` naming the field
   */
  endTask(taskId: string, end: TaskEnd = {}): void {
    this.#thread.post({ type: 'task-ended', end: this.#workload.endTask(taskId, end, this.#clock.wallMs()) });
  }

  /**
   * Sets a metric of the program's own; it is sent with each heartbeat until it is removed.
   * @throws PulselaneError `invalid_argument` unless the value is finite
   */
  setMetric(name: string, value: number): void {
    this.#workload.setMetric(name, value);
    this.#thread.post({ type: 'metric', name, value });
  }

  /** @throws PulselaneError `not_found` for an unknown metric */
  removeMetric(name: string): void {
    this.#workload.removeMetric(name);
    this.#thread.post({ type: 'metric-removed', name });
  }

  async #start(): Promise<void> {
    this.#thread.start();
    try {
      await this.#begun.promise;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #stop(): Promise<void> {
    // Callers of `start` must not wait for ever; if there are none, nobody handles the rejection.
    this.#begun.promise.catch(() => {});
    this.#begun.reject(new PulselaneError('unavailable', 'the agent was stopped before it had started'));
    if (this.#isReady) {
      this.#thread.post({ type: 'stop' });
      const timer = this.#clock.after(STOP_WITHIN_MS, () => this.#ended.resolve());
      await this.#ended.promise;
      timer.cancel();
    }
    await this.#thread.stop();
    this.#groups.endAll();
  }

  /** A restarted thread has no state: it receives all of it. */
  #begin(): void {
    this.#thread.post({
      type: 'begin',
      settings: this.#settings,
      tasks: this.#workload.tasks(),
      metrics: this.#workload.metrics(),
      ended: this.#workload.ended(),
      nextSequence: this.#nextSequence,
    });
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        this.#hasBegun = true;
        this.#listening = message.listening;
        this.#begun.resolve();
        return;
      case 'failed':
        this.#failed(new PulselaneError(message.code, message.message));
        return;
      case 'probe':
        this.#thread.post({ type: 'probe-answered', probe: message.probe });
        return;
      case 'beat':
        this.#nextSequence = message.sequence + 1;
        return;
      case 'ended-told':
        this.#workload.endedTold(message.upTo);
        return;
      case 'master':
        this.#settings = { ...this.#settings, masters: [peerAddress.parse(message.master)] };
        return;
      case 'groups':
        this.#groups.replace(message.leaders);
        return;
      case 'report':
        this.#report(message.level, message.message, message.fields);
        return;
      case 'stopped':
        this.#ended.resolve();
        return;
      default:
        message satisfies never;
    }
  }

  /** At the start the caller gets the error; later the thread is started again until it can begin. */
  #failed(error: PulselaneError): void {
    if (!this.#hasBegun) {
      this.#begun.reject(error);
      return;
    }
    this.#report('error', error.message);
    this.#thread.kill(error.message);
  }

  #died({ reason, backOffMs }: ThreadDeath): number {
    this.#isReady = false;
    this.#groups.endRunning();
    if (this.#stopping !== undefined) this.#ended.resolve();
    if (this.#hasBegun) {
      this.#report('error', `the agent's thread ended (${reason}) and is started again in ${backOffMs} ms`);
    } else {
      this.#begun.reject(new PulselaneError('environment', `the agent's thread cannot start: ${reason}`));
    }
    return backOffMs;
  }
}
