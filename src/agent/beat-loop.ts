/**
 * The agent's thread as a plain object: receives the host's messages, and starts and stops the beater. Port, clock and meter
 * are passed in, so that tests run it without a thread.
 */
import type { Clock } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Port } from '../lib/ports.ts';
import { Beater, type BeaterHost } from './beater.ts';
import type { MachineMeter } from './measure/machine.ts';
import type { FromThread, ToThread } from './messages.ts';

export interface BeatLoopOptions {
  readonly port: Port<ToThread, FromThread>;
  readonly clock: Clock;
  /** This machine's by default. */
  readonly meter?: MachineMeter;
}

export class BeatLoop {
  readonly #port: Port<ToThread, FromThread>;
  readonly #clock: Clock;
  readonly #meter: MachineMeter | undefined;
  readonly #host: BeaterHost;
  #beater: Beater | undefined;

  constructor({ port, clock, meter }: BeatLoopOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#meter = meter;
    this.#host = {
      probe: (probe) => port.postMessage({ type: 'probe', probe }),
      beat: (sequence) => port.postMessage({ type: 'beat', sequence }),
      endedTold: (upTo) => port.postMessage({ type: 'ended-told', upTo }),
      master: (master) => port.postMessage({ type: 'master', master }),
      groups: (leaders) => port.postMessage({ type: 'groups', leaders }),
    };
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
      case 'task-ended':
        beater?.tasks.delete(message.end.task.taskId);
        beater?.ended.add(message.end);
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

  /** Never rejects: errors are sent to the host. */
  async #begin({ settings, tasks, metrics, ended, nextSequence }: Extract<ToThread, { type: 'begin' }>): Promise<void> {
    const beater = new Beater({
      settings,
      nextSequence,
      clock: this.#clock,
      meter: this.#meter,
      report: (level, message, fields = {}) => this.#port.postMessage({ type: 'report', level, message, fields }),
      host: this.#host,
    });
    for (const task of tasks) beater.tasks.set(task.taskId, task);
    for (const [name, value] of metrics) beater.metrics.set(name, value);
    for (const end of ended) beater.ended.add(end);
    this.#beater = beater;
    try {
      const listening = await beater.start();
      this.#port.postMessage({ type: 'ready', listening });
    } catch (error) {
      await beater.stop();
      const code = error instanceof PulselaneError ? error.code : 'environment';
      this.#port.postMessage({ type: 'failed', code, message: messageOf(error) });
    }
  }

  async #stop(): Promise<void> {
    await this.#beater?.stop();
    this.#port.postMessage({ type: 'stopped' });
  }
}
