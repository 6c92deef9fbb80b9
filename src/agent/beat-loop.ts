/**
 * The agent's thread as a plain object: takes the host's messages and starts and stops what beats. It runs over a port,
 * a clock and a meter, so that tests drive it without a thread.
 */
import { ChildGroups } from '../lib/child-groups.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Port } from '../lib/ports.ts';
import { Beater } from './beater.ts';
import { machineGpus } from './measure/gpu/gpu-meter.ts';
import type { ToolSettings } from './measure/gpu/tool.ts';
import { toolPathComplaints } from './measure/gpu/tool-path.ts';
import { Machine, type MachineMeter } from './measure/machine.ts';
import type { FromThread, ToThread } from './messages.ts';
import type { Report } from './report.ts';

export interface BeatLoopOptions {
  readonly port: Port<ToThread, FromThread>;
  readonly clock: Clock;
  /** This machine's by default. */
  readonly meter?: MachineMeter;
}

export class BeatLoop {
  readonly #port: Port<ToThread, FromThread>;
  readonly #clock: Clock;
  readonly #report: Report;
  readonly #meter: MachineMeter | undefined;
  /** Tools under way. */
  readonly #groups: ChildGroups;
  #beater: Beater | undefined;
  #hasEnded = false;

  constructor({ port, clock, meter }: BeatLoopOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#report = (level, message, fields = {}) => {
      if (!this.#hasEnded) port.postMessage({ type: 'report', level, message, fields });
    };
    this.#meter = meter;
    this.#groups = new ChildGroups((leaders) => port.postMessage({ type: 'groups', leaders }));
    port.onMessage((message) => this.#receive(message));
  }

  #receive(message: ToThread): void {
    const beater = this.#beater;
    switch (message.type) {
      case 'begin':
        void this.#begin(message);
        return;
      case 'task':
        beater?.tasks.set(message.task.taskId, message.task);
        return;
      case 'task-removed':
        beater?.tasks.delete(message.taskId);
        return;
      case 'metric':
        beater?.metrics.set(message.name, message.value);
        return;
      case 'metric-removed':
        beater?.metrics.delete(message.name);
        return;
      case 'probe-answered':
        beater?.hostAnswered(message.probe);
        return;
      case 'stop':
        void this.#stop();
        return;
      default:
        message satisfies never;
    }
  }

  /** Never rejects: what goes wrong is told to the host. */
  async #begin({ settings, tasks, metrics, nextSequence }: Extract<ToThread, { type: 'begin' }>): Promise<void> {
    const beater = new Beater({
      settings,
      nextSequence,
      clock: this.#clock,
      meter: this.#meter ?? this.#machine(settings.tools),
      report: this.#report,
      post: (message) => this.#port.postMessage(message),
    });
    for (const task of tasks) beater.tasks.set(task.taskId, task);
    for (const [name, value] of metrics) beater.metrics.set(name, value);
    this.#beater = beater;
    void this.#tellToolPath(settings.tools);
    try {
      const listening = await beater.start();
      this.#port.postMessage({ type: 'ready', listening });
    } catch (error) {
      await this.#end(beater);
      const code = error instanceof PulselaneError ? error.code : 'environment';
      this.#port.postMessage({ type: 'failed', code, message: messageOf(error) });
    }
  }

  async #stop(): Promise<void> {
    await this.#end(this.#beater);
    this.#port.postMessage({ type: 'stopped' });
  }

  #machine(tools: ToolSettings): Machine {
    const own = { clock: this.#clock, report: this.#report };
    return new Machine({ ...own, gpus: machineGpus({ ...own, tools, groups: this.#groups }) });
  }

  /** Beside the start, which waits for no disk. Never rejects. */
  async #tellToolPath({ gpuToolPath }: ToolSettings): Promise<void> {
    for (const complaint of await toolPathComplaints(gpuToolPath)) this.#report('warn', complaint);
  }

  /** Nothing that it runs is left. That a tool fails which is ended here is nothing to tell. */
  async #end(beater: Beater | undefined): Promise<void> {
    await beater?.stop();
    this.#hasEnded = true;
    this.#groups.endAll();
  }
}
