/** What programs have told the hub, whatever way it came: takes lines, and counts those that it refuses. */
import { isUtf8 } from 'node:buffer';
import type { Clock } from '../../lib/clock.ts';
import type { EndedTask } from '../../model/telemetry.ts';
import { MetricsReceiver } from '../otlp/metrics-receiver.ts';
import { HUB_LIMITS, METRIC_KEEP_MS } from './limits.ts';
import { type Line, type LineRefusal, lineOf, parseLine, RefusedLine } from './line.ts';
import type { SplitLine } from './line-splitter.ts';
import { MetricStore } from './metric-store.ts';
import type { Processes } from './processes.ts';
import { type Owner, TaskStore } from './task-store.ts';

/** Other things than lines that are refused or slowed down, by which they are counted. */
export type ConnectionRefusal =
  | 'too_many_connections'
  | 'slowed_down'
  | 'too_fast'
  | 'answer_not_read'
  | 'not_a_protocol'
  | 'silent'
  | 'wrong_request'
  | 'foreign_origin'
  | 'too_large'
  | 'too_many_bodies'
  | 'slow_request'
  | 'otlp';

export interface HubStateOptions {
  readonly clock: Clock;
  readonly processes: Processes;
  readonly onEnded: (task: EndedTask) => void;
}

/** What an accepted line says back to a sender who wants to know. */
export interface Taken {
  readonly id: string | number | undefined;
  /** The task that ended was not known: nobody had told of its start, or the agent has restarted since. */
  readonly wasUnknown: boolean;
}

export class HubState {
  readonly tasks: TaskStore;
  readonly metrics: MetricStore;
  readonly otlpMetrics: MetricStore;
  readonly otlpReceiver = new MetricsReceiver();
  readonly counts = { lines: 0, refused: new Map<LineRefusal | ConnectionRefusal, number>(), vanished: 0 };

  constructor(options: HubStateOptions) {
    this.tasks = new TaskStore(options);
    this.metrics = new MetricStore(options.clock, HUB_LIMITS.metrics);
    this.otlpMetrics = new MetricStore(options.clock, HUB_LIMITS.otlpMetrics);
  }

  /**
   * Takes a line as a whole, or refuses it as a whole, counted.
   * @param owner undefined for a request, after which nothing stays open
   * @throws RefusedLine
   */
  takeBytes(line: SplitLine, owner: Owner | undefined): Taken {
    return this.#counted(() => {
      if ('tooLongBytes' in line) {
        const { lineBytes } = HUB_LIMITS;
        throw new RefusedLine(
          'line_too_long',
          `the line has ${line.tooLongBytes} bytes; expected at most ${lineBytes}, without the line feed`,
        );
      }
      if (!isUtf8(line.bytes)) throw new RefusedLine('not_utf8', 'the line is not valid UTF-8');
      return this.#take(parseLine(line.bytes.toString('utf8')), owner);
    });
  }

  /** The same for the value that a line would have had. */
  takeValue(value: unknown, owner: Owner | undefined): Taken {
    return this.#counted(() => this.#take(lineOf(value), owner));
  }

  count(reason: LineRefusal | ConnectionRefusal): void {
    this.counts.refused.set(reason, (this.counts.refused.get(reason) ?? 0) + 1);
  }

  /** @returns how many tasks it left behind */
  closed(owner: Owner): number {
    this.metrics.closed(owner);
    const left = this.tasks.closed(owner);
    this.counts.vanished += left;
    return left;
  }

  sweep(): void {
    this.metrics.sweep();
    for (const name of this.otlpMetrics.sweep()) this.otlpReceiver.forget(name);
    this.counts.vanished += this.tasks.sweep();
  }

  #take({ id, task, metrics, metricsKeepMs }: Line, owner: Owner | undefined): Taken {
    try {
      const excess = this.metrics.excessOf(metrics);
      if (excess > 0) {
        throw new RefusedLine(
          'too_many_metrics',
          `with these metrics there are ${HUB_LIMITS.metrics + excess} names on this machine; expected at most ${HUB_LIMITS.metrics}`,
        );
      }
      // Refuses, if it does, before anything is changed.
      const wasKnown = task === undefined || this.tasks.take(task, owner);
      this.metrics.set(metrics, { owner, keepMs: metricsKeepMs ?? METRIC_KEEP_MS });
      return { id, wasUnknown: task?.outcome !== undefined && !wasKnown };
    } catch (error) {
      throw error instanceof RefusedLine ? new RefusedLine(error.reason, error.message, id) : error;
    }
  }

  #counted(take: () => Taken): Taken {
    try {
      const taken = take();
      this.counts.lines++;
      return taken;
    } catch (error) {
      if (error instanceof RefusedLine) this.count(error.reason);
      throw error;
    }
  }
}
