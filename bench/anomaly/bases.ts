/**
 * What metrics do while all is well, sample by sample at 5 s. Times are seconds since a Monday at 0:00, local.
 * A base has the seasons, steps and bursts that are normal for it.
 */
import { MetricKind } from '../../src/model/anomaly/metric-kind.ts';
import { Noise, type Random } from './random.ts';

export const STEP_S = 5;
export const HOUR_S = 3600;
export const DAY_S = 24 * HOUR_S;

export interface Base {
  readonly kind: MetricKind;
  /** The next sample, at this time. */
  next(atS: number): number;
  /** Adds to the noise: for growing variance. */
  noiseFactor: number;
  /** Multiplies how fast it goes up and down; only of those with a rhythm. */
  pace: number;
  /** The program that is measured starts anew. */
  restart?(): void;
}

/** From 0 to 1 over a day, with its peak at `peakHour`; weekends are lower. */
export function season(atS: number, peakHour: number, weekend: number): number {
  const day = Math.floor(atS / DAY_S) % 7;
  const wave = 0.5 + 0.5 * Math.cos((2 * Math.PI * (atS - peakHour * HOUR_S)) / DAY_S);
  return wave * (day >= 5 ? weekend : 1);
}

/** Whether it is busy, for some minutes again and again. @param means in seconds, busy and at rest */
function atRest(random: Random, [busyS, restS]: readonly [number, number]): (atS: number) => boolean {
  let [isBusy, untilS] = [true, Number.NEGATIVE_INFINITY];
  return (atS) => {
    if (atS >= untilS) {
      isBusy = !isBusy;
      untilS = atS + (isBusy ? busyS * random.between(0.4, 1.6) : 60 + random.exponential(restS));
    }
    return isBusy;
  };
}

const tenths = (value: number) => Math.round(value * 10) / 10;
const percent = (value: number) => tenths(Math.min(100, Math.max(0, value)));

export const BASES = {
  /** CPU of a service: by day more than by night, and noise with some memory. */
  cpuDay(random: Random): Base {
    const noise = new Noise(random, [random.between(0.3, 0.9)]);
    const [level, amplitude, spread] = [random.between(8, 30), random.between(8, 35), random.between(1, 3.5)];
    const [peak, weekend] = [random.between(11, 16), random.between(0.3, 1)];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        return percent(level + amplitude * season(atS, peak, weekend) + this.noiseFactor * spread * noise.next());
      },
    };
  },

  /** CPU of a machine that takes jobs as they come: idle or busy, for minutes. */
  cpuBurst(random: Random): Base {
    const noise = new Noise(random, [0.5]);
    const [idle, busy] = [random.between(2, 8), random.between(55, 90)];
    const [idleS, busyS] = [random.between(120, 900), random.between(120, 1200)];
    let [isBusy, untilS, level] = [false, Number.NEGATIVE_INFINITY, idle];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        if (atS >= untilS) {
          isBusy = !isBusy;
          untilS = atS + random.exponential(isBusy ? busyS : idleS);
          level = isBusy ? busy + 5 * random.normal() : idle;
        }
        return percent(level + this.noiseFactor * (isBusy ? 3 : 0.5) * noise.next());
      },
    };
  },

  /** CPU of a machine with nothing to do: 0, at times a little. */
  cpuIdle(random: Random): Base {
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next() {
        return random.isTrue(0.03) ? percent(random.exponential(1)) : 0;
      },
    };
  },

  /** A GPU with nothing to do. */
  gpuIdle(_random: Random): Base {
    return { kind: MetricKind.percent, noiseFactor: 1, pace: 1, next: () => 0 };
  },

  /** A GPU that has jobs at times: exactly 0, or exactly full. */
  gpuRest(random: Random): Base {
    const next = atRest(random, [random.between(120, 900), random.between(600, 3600)]);
    const busy = random.whole(60, 99);
    return { kind: MetricKind.percent, noiseFactor: 1, pace: 1, next: (atS) => (next(atS) ? busy : 0) };
  },

  /** The same number of tasks each time, and none between. */
  tasksRest(random: Random): Base {
    const next = atRest(random, [random.between(120, 900), random.between(600, 3600)]);
    const tasks = random.whole(1, 8);
    return { kind: MetricKind.count, noiseFactor: 1, pace: 1, next: (atS) => (next(atS) ? tasks : 0) };
  },

  /** No tasks at all. */
  tasksNone(_random: Random): Base {
    return { kind: MetricKind.count, noiseFactor: 1, pace: 1, next: () => 0 };
  },

  /** Memory of a program with a garbage collector: rises, and falls. */
  memorySaw(random: Random): Base {
    const [low, height, periodS] = [random.between(15, 45), random.between(8, 30), random.between(240, 1800)];
    const jitter = random.between(0.02, 0.08);
    let [phase, length] = [random.unit(), 1];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next() {
        phase += (this.pace * STEP_S) / (periodS * length);
        if (phase >= 1) {
          phase -= 1;
          length = 1 + jitter * random.normal();
        }
        return percent(low + height * phase + this.noiseFactor * 0.4 * random.normal());
      },
      restart() {
        phase = 0;
      },
    };
  },

  /** Memory of jobs, one after the other, each with a level of its own and a short pause before it. */
  memoryJobs(random: Random): Base {
    const noise = new Noise(random, [0.7]);
    const idle = random.between(6, 12);
    const levels = Array.from({ length: random.whole(3, 5) }, () => random.between(25, 75));
    const lengthS = random.between(0.5, 3) * HOUR_S;
    let [level, target, untilS, pauseUntilS] = [idle, random.pick(levels), Number.NEGATIVE_INFINITY, 0];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        if (atS >= untilS) {
          pauseUntilS = atS + random.between(60, 300);
          untilS = pauseUntilS + lengthS * random.between(0.4, 1.6);
          target = random.pick(levels);
        }
        level += ((atS < pauseUntilS ? idle : target) - level) * (atS < pauseUntilS ? 0.5 : 0.05);
        return percent(level + this.noiseFactor * 0.5 * noise.next());
      },
    };
  },

  /** Memory of a service that holds what it has: a level, and slow movements around it. */
  memorySteady(random: Random): Base {
    const noise = new Noise(random, [0, 0.98, 0.999]);
    const [level, spread] = [random.between(25, 70), random.between(0.4, 1.5)];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next() {
        return percent(level + this.noiseFactor * spread * noise.next());
      },
    };
  },

  /** Storage: grows slowly, in tenths; old logs go once a day. */
  storage(random: Random): Base {
    const [level, growth] = [random.between(20, 70), random.between(0.2, 2)];
    const at = random.between(0, 1);
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        return percent(level + growth * ((atS / DAY_S + at) % 1) + (0.1 * growth * atS) / DAY_S / 7);
      },
    };
  },

  /** GPU of a trainer: epochs at full load, evaluations between them, a pause between trainings. */
  gpu(random: Random): Base {
    const [busy, evaluation] = [random.between(88, 97), random.between(30, 60)];
    const [epochS, evaluationS] = [random.between(180, 900), random.between(30, 120)];
    let [state, untilS] = [0, Number.NEGATIVE_INFINITY];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        if (atS >= untilS) {
          state = random.isTrue(0.02) ? 2 : state === 0 ? 1 : 0;
          const lengthS = [epochS, evaluationS, random.between(300, 2400)][state] as number;
          untilS = atS + (lengthS * (1 + 0.05 * random.normal())) / this.pace;
        }
        if (state === 2) return 0;
        return Math.round(percent((state === 0 ? busy : evaluation) + this.noiseFactor * 2 * random.normal()));
      },
    };
  },

  /** A time that requests take, in seconds: skewed, with a season and pink noise. */
  latency(random: Random): Base {
    const noise = Noise.pink(random);
    const [level, amplitude, spread] = [10 ** random.between(-3, 2), random.between(0, 1.2), random.between(0.08, 0.3)];
    const peak = random.between(10, 17);
    return {
      kind: MetricKind.any,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        return level * (1 + amplitude * season(atS, peak, 0.6)) * Math.exp(this.noiseFactor * spread * noise.next());
      },
    };
  },

  /** Things that wait, or tasks that run: whole numbers that follow the load. */
  queue(random: Random): Base {
    const [level, amplitude] = [random.between(2, 40), random.between(0, 2)];
    const noise = new Noise(random, [0.97]);
    const peak = random.between(9, 18);
    return {
      kind: MetricKind.count,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        const mean = level * (1 + amplitude * season(atS, peak, 0.7)) * Math.exp(0.15 * noise.next());
        return Math.max(0, Math.round(mean + this.noiseFactor * (random.poisson(mean) - mean)));
      },
    };
  },

  /** A temperature: red noise around a level that follows the load. */
  temperature(random: Random): Base {
    const noise = new Noise(random, [random.between(0.98, 0.998)]);
    const [level, amplitude, spread] = [random.between(35, 60), random.between(0, 12), random.between(0.8, 2.5)];
    const peak = random.between(12, 17);
    return {
      kind: MetricKind.any,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        const slow = level + amplitude * season(atS, peak, 0.8) + this.noiseFactor * spread * noise.next();
        return tenths(slow + this.noiseFactor * 0.15 * random.normal());
      },
    };
  },

  /** Things done since the program's start: a number that only grows. */
  counter(random: Random): Base {
    const noise = new Noise(random, [0.9]);
    const [rate, amplitude] = [10 ** random.between(0, 3), random.between(0, 1.5)];
    const peak = random.between(10, 17);
    let total = Math.round(1e4 * rate * random.unit());
    return {
      kind: MetricKind.any,
      noiseFactor: 1,
      pace: 1,
      next(atS) {
        const now = rate * (1 + amplitude * season(atS, peak, 0.7)) * Math.exp(this.noiseFactor * 0.1 * noise.next());
        total += this.pace * random.poisson(now * STEP_S);
        return total;
      },
      restart() {
        total = 0;
      },
    };
  },

  /** A load that goes up and down with a beat of minutes, such as of a job that runs by the clock. */
  beat(random: Random): Base {
    const noise = new Noise(random, [0.5]);
    const [level, amplitude, spread] = [random.between(30, 60), random.between(8, 22), random.between(0.8, 2.5)];
    const [periodS, jitter] = [random.between(120, 900), random.between(0, 0.05)];
    let [phase, length] = [random.unit(), 1];
    return {
      kind: MetricKind.percent,
      noiseFactor: 1,
      pace: 1,
      next() {
        phase += (this.pace * STEP_S) / (periodS * length);
        if (phase >= 1) {
          phase -= 1;
          length = 1 + jitter * random.normal();
        }
        return percent(level + amplitude * Math.sin(2 * Math.PI * phase) + this.noiseFactor * spread * noise.next());
      },
    };
  },

  /** Seconds between two heartbeats; now and then one is lost. */
  interval(random: Random): Base {
    const [jitter, lost] = [random.between(0.02, 0.3), random.between(0, 0.004)];
    return {
      kind: MetricKind.interval,
      noiseFactor: 1,
      pace: 1,
      next() {
        let beats = 1;
        while (random.isTrue(lost)) beats++;
        return Math.max(0.05, STEP_S * beats + this.noiseFactor * jitter * random.normal());
      },
    };
  },
} as const satisfies Record<string, (random: Random) => Base>;
export type BaseName = keyof typeof BASES;
