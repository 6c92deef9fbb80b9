/**
 * One quantity that is measured repeatedly: its newest value while it is fresh, and one log line when measuring starts or
 * stops failing.
 */
import { type Clock, endsWithin } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Report } from '../report.ts';

/**
 * How long a measurement may take. After that it counts as failed, even if it still runs, and older values are not
 * reported. A failing disk or device answers after seconds; one that is gone, never.
 */
export const PROBE_TIMEOUT_MS = 10_000;
/** The same line is not logged again within this time, however often measuring fails and succeeds in turn. */
const REPEAT_AFTER_MS = 600_000;
/** Longest reason in a log line: a tool's message may have any length. */
const MAX_REASON_LENGTH = 500;

export interface ProbeOptions<T> {
  /** For people: "memory". */
  readonly name: string;
  readonly measure: () => Promise<T>;
  /** What is wrong with a value that is reported all the same; undefined if nothing is. */
  readonly complaintOf?: (value: T) => string | undefined;
  /** What is reported if it cannot be measured. */
  readonly absence?: string;
  readonly clock: Clock;
  readonly report: Report;
}

interface Value<T> {
  readonly value: T;
  readonly atMs: number;
}

export class Probe<T> {
  readonly #options: ProbeOptions<T>;
  #newest: Value<T> | undefined;
  #underWay: Promise<void> | undefined;
  #begunMs = 0;
  /** Whether it fails or complains, and whether that was logged. */
  #problem: 'none' | 'told' | 'kept' = 'none';
  #reported: { readonly line: string; readonly atMs: number } | undefined;

  constructor(options: ProbeOptions<T>) {
    this.#options = options;
  }

  /** What was measured last; undefined before the first value, while measuring fails, and once it is too old. */
  get newest(): T | undefined {
    if (this.#newest === undefined || this.#now() - this.#newest.atMs > PROBE_TIMEOUT_MS) return undefined;
    return this.#newest.value;
  }

  /** Whether the last measurement that ended, or is overdue, failed. */
  get isFailing(): boolean {
    return this.#problem !== 'none' && this.newest === undefined;
  }

  /** Measures anew and resolves when that is done, at the latest after `withinMs`. Never rejects. */
  async refresh(withinMs: number): Promise<T | undefined> {
    await endsWithin(this.#options.clock, withinMs, this.refreshInBackground());
    return this.newest;
  }

  /** Joins a measurement that is still under way: a probe that hangs must not pile up. Never rejects. */
  refreshInBackground(): Promise<void> {
    if (this.#underWay === undefined) {
      this.#begunMs = this.#now();
      this.#underWay = this.#measure().finally(() => {
        this.#underWay = undefined;
      });
    } else if (this.#now() - this.#begunMs > PROBE_TIMEOUT_MS) {
      this.#failed(`no answer within ${PROBE_TIMEOUT_MS / 1000} s`);
    }
    return this.#underWay;
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }

  async #measure(): Promise<void> {
    const { name, measure, complaintOf } = this.#options;
    try {
      const value = await measure();
      this.#newest = { value, atMs: this.#now() };
      const complaint = complaintOf?.(value);
      if (complaint === undefined) this.#isWell();
      else this.#tell(`${name}: ${shortened(complaint)}`);
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  #failed(reason: string): void {
    const { name, absence = 'reported as 0' } = this.#options;
    this.#newest = undefined;
    this.#tell(`${name} cannot be measured and is ${absence}: ${shortened(reason)}`);
  }

  /** One line per outage, even if each attempt gives another text, such as the time. */
  #tell(line: string): void {
    if (this.#problem !== 'none') return;
    const nowMs = this.#now();
    const isRepeated = this.#reported?.line === line && nowMs - this.#reported.atMs < REPEAT_AFTER_MS;
    this.#problem = isRepeated ? 'kept' : 'told';
    if (isRepeated) return;
    this.#reported = { line, atMs: nowMs };
    this.#options.report('warn', line);
  }

  #isWell(): void {
    const wasTold = this.#problem === 'told';
    this.#problem = 'none';
    if (wasTold) this.#options.report('info', `${this.#options.name} is measured again`);
  }
}

/** One line of text that is fit for a log: a tool may print anything. */
function shortened(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line.length <= MAX_REASON_LENGTH ? line : `${line.slice(0, MAX_REASON_LENGTH)}…`;
}
