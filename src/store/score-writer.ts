/**
 * The writing side of a slot's scores, part of slot-writer.ts: each sample is scored after its record has become visible and before
 * the sample is published, so that whoever reads samples finds their scores.
 *
 * What the model remembers of a metric is changed in place, one metric at a time:
 *
 *     kept state := the state · changed state := which · generation + 1 (odd) · the model changes it · generation + 1 (even)
 *
 * A lane that is killed in between leaves an odd generation: its successor puts the kept state back. So a metric's state knows a
 * sample or does not, and no mixture is ever used. The sample in process then has no score.
 *
 * Metrics with a state: the usages (that of the GPU while the worker has one), the number of running tasks, the interval between
 * heartbeats, and those with a column in the ring.
 */
import { MetricKind } from '../model/anomaly/metric-kind.ts';
import { ReasonCode } from '../model/anomaly/reason.ts';
import { ANOMALY_SCORE, expectValue, Scorer } from '../model/anomaly/scorer.ts';
import { STATE_FLOATS } from '../model/anomaly/state.ts';
import { SampleFlag } from '../model/sample-flags.ts';
import { beginWrite, endWrite, mendWrite } from './double-buffer.ts';
import { NUMBER_BYTES, RecordNumber, SCORED_NUMBERS, ScoreNumber, SlotWord, stateCount, WORD_BYTES } from './layout.ts';
import { causeIn, keyOfPlace, movedScoreWord, NO_SCORE, SCORED_KEYS, scoreWord } from './score-word.ts';
import { metricKeysIn, type SlotViews } from './slot-memory.ts';

/** A sample's score, as it is put into the ring. */
export interface SampleScore {
  /** See score-word.ts; with a cause from {@link ANOMALY_SCORE} on. */
  word: number;
  /** What is usual for the metric of the cause; NaN without a cause. */
  usual: number;
}

/** Of samples that are not scored. */
export const UNSCORED: Readonly<SampleScore> = { word: NO_SCORE, usual: Number.NaN };

/** A metric that was unusual for so long that what it does now is usual. */
export interface AcceptedNormal {
  /** The metric's key. */
  readonly metric: string;
  readonly value: number;
  readonly wasUsual: number;
}

const GPU = SCORED_NUMBERS.indexOf('gpuUsage');
/** Number of metrics with a state in every slot. */
const ALWAYS = SCORED_NUMBERS.length;
/** By place. */
const KINDS: readonly MetricKind[] = SCORED_NUMBERS.map((name) =>
  name === 'runningTasks' ? MetricKind.count : name === 'heartbeatIntervalS' ? MetricKind.interval : MetricKind.percent,
);

/** One for all workers of the thread: what it must remember is in their slots. */
const scorer = new Scorer();
/** Of the current sample. */
const scored: SampleScore = { ...UNSCORED };
const largest = { score: Number.NaN, ratio: 0, value: 0, samples: 0 };

export class ScoreWriter {
  #slot: SlotViews;
  /** Of the columns of metrics. */
  #kinds: MetricKind[] = [];
  #accepted: AcceptedNormal | undefined;

  constructor(slot: SlotViews) {
    this.#slot = slot;
  }

  /** What the last sample made usual; the first one, if there are several. */
  get accepted(): AcceptedNormal | undefined {
    return this.#accepted;
  }

  /** @returns whether readers see a change of the newest score's generation */
  mend(): boolean {
    const { control, floats, offsets, size } = this.#slot;
    if (!size.isScored) return false;
    if ((Atomics.load(control, SlotWord.stateGeneration) & 1) === 1) {
      const place = Atomics.load(control, SlotWord.changedState);
      const kept = offsets.keptState / WORD_BYTES;
      // The memory is not trusted.
      if (place >= 0 && place < stateCount(size)) {
        floats.copyWithin(stateAt(this.#slot, place), kept, kept + STATE_FLOATS);
      }
      Atomics.add(control, SlotWord.stateGeneration, 1);
    }
    return mendWrite(control, SlotWord.scoreGeneration);
  }

  /**
   * Moves to another memory.
   * @param kept columns of metrics that stay, in their new order
   * @param first number of the first sample in the new ring
   * @param end … and of the one after the last
   */
  move(to: SlotViews, kept: readonly number[], first: number, end: number): void {
    const from = this.#slot;
    this.#slot = to;
    this.#kinds = [];
    if (!to.size.isScored) return;
    const statesEnd = from.offsets.states + ALWAYS * STATE_FLOATS * WORD_BYTES;
    from.bytes.copy(to.bytes, to.offsets.score[0], from.offsets.score[0], statesEnd);
    for (const [column, before] of kept.entries()) {
      const at = stateAt(from, ALWAYS + before);
      to.floats.set(from.floats.subarray(at, at + STATE_FLOATS), stateAt(to, ALWAYS + column));
    }
    for (const word of [SlotWord.scoreGeneration, SlotWord.stateGeneration]) {
      Atomics.store(to.control, word, Atomics.load(from.control, word));
    }
    if (kept.some((before, column) => before !== column)) moveScoreWords(to, kept, first, end);
  }

  /**
   * Scores the current sample, whose metrics are in the ring already, and publishes its score as the worker's newest.
   * @param record index of the first number of its record
   * @returns valid until the next call, of any worker
   */
  score(record: number): Readonly<SampleScore> {
    const { control, numbers, offsets, size } = this.#slot;
    if (!size.isScored) return UNSCORED;
    this.#accepted = undefined;
    scored.word = NO_SCORE;
    scored.usual = Number.NaN;
    largest.score = Number.NaN;
    const atMs = numbers[record + RecordNumber.receivedMonotonicMs] as number;
    const hasGpu = ((numbers[record + RecordNumber.sampleFlags] as number) & SampleFlag.hasGpu) !== 0;
    for (let place = 0; place < ALWAYS; place++) {
      if (place === GPU && !hasGpu) continue;
      const name = SCORED_NUMBERS[place] as (typeof SCORED_NUMBERS)[number];
      this.#take(place, KINDS[place] as MetricKind, atMs, numbers[record + RecordNumber[name]] as number);
    }
    const columns = size.ringCapacity === 0 ? 0 : Atomics.load(control, SlotWord.metricKeys);
    if (columns > this.#kinds.length) this.#kinds.push(...metricKeysIn(this.#slot, this.#kinds.length).map(kindOf));
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    for (let column = 0; column < columns; column++) {
      const value = numbers[(offsets.ringMetrics[column] as number) / NUMBER_BYTES + index] as number;
      this.#take(ALWAYS + column, this.#kinds[column] as MetricKind, atMs, value);
    }
    const at = offsets.score[beginWrite(control, SlotWord.scoreGeneration)] / NUMBER_BYTES;
    numbers[at + ScoreNumber.appliedIndex] = numbers[record + RecordNumber.appliedIndex] as number;
    numbers[at + ScoreNumber.receivedUnixMs] = numbers[record + RecordNumber.receivedUnixMs] as number;
    numbers[at + ScoreNumber.word] = scored.word;
    numbers[at + ScoreNumber.usual] = scored.usual;
    numbers[at + ScoreNumber.ratio] = largest.ratio;
    numbers[at + ScoreNumber.value] = largest.value;
    numbers[at + ScoreNumber.samples] = largest.samples;
    endWrite(control, SlotWord.scoreGeneration);
    return scored;
  }

  /**
   * Tells the model what is expected from now on, from the time of the week.
   * @param expected by the metric's key; NaN: nothing new is known, what was expected before stays
   */
  expect(expected: ReadonlyMap<string, number>): void {
    if (!this.#slot.size.isScored) return;
    for (const [place, key] of [...SCORED_KEYS, ...metricKeysIn(this.#slot)].entries()) {
      const value = expected.get(key);
      if (value === undefined) continue;
      expectValue(this.#slot.floats, this.#beginChange(place), value);
      this.#endChange();
    }
  }

  #take(place: number, kind: MetricKind, atMs: number, value: number): void {
    // The sample lacks the metric.
    if (Number.isNaN(value)) return;
    scorer.take(this.#slot.floats, this.#beginChange(place), kind, atMs, value);
    this.#endChange();
    if (scorer.code === ReasonCode.accepted) this.#accept(place, value);
    const score = Math.round(scorer.score * 100) / 100;
    // Not `>`: the first one replaces NaN.
    if (score <= largest.score) return;
    largest.score = score;
    if (score < ANOMALY_SCORE) {
      scored.word = scoreWord(score, undefined);
      return;
    }
    const { code, ratio, usual, samples } = scorer;
    scored.word = scoreWord(score, { place, code, ratio });
    scored.usual = usual;
    largest.ratio = ratio;
    largest.value = value;
    largest.samples = samples;
  }

  #accept(place: number, value: number): void {
    const metric = keyOfPlace(place, metricKeysIn(this.#slot));
    if (metric !== undefined) this.#accepted ??= { metric, value, wasUsual: scorer.usual };
  }

  /** @returns index of the state's first float */
  #beginChange(place: number): number {
    const { control, floats, offsets } = this.#slot;
    const at = stateAt(this.#slot, place);
    floats.copyWithin(offsets.keptState / WORD_BYTES, at, at + STATE_FLOATS);
    Atomics.store(control, SlotWord.changedState, place);
    Atomics.add(control, SlotWord.stateGeneration, 1);
    return at;
  }

  #endChange(): void {
    Atomics.add(this.#slot.control, SlotWord.stateGeneration, 1);
  }
}

/** Columns of metrics have moved: what names them follows. */
function moveScoreWords(
  { control, numbers, offsets, size }: SlotViews,
  kept: readonly number[],
  first: number,
  end: number,
) {
  const places = new Map(kept.map((before, column) => [ALWAYS + before, ALWAYS + column]));
  const moved = (word: number) => {
    const place = causeIn(word)?.place;
    return place === undefined || place < ALWAYS ? word : movedScoreWord(word, places.get(place));
  };
  for (let number = first; number < end; number++) {
    const at = offsets.ringScore / WORD_BYTES + (number & (size.ringCapacity - 1));
    control[at] = moved(control[at] as number);
  }
  for (const copy of offsets.score) {
    const at = copy / NUMBER_BYTES + ScoreNumber.word;
    numbers[at] = moved(numbers[at] as number);
  }
}

/** Index of a state's first float. */
function stateAt({ offsets }: SlotViews, place: number): number {
  return offsets.states / WORD_BYTES + place * STATE_FLOATS;
}

function kindOf(key: string): MetricKind {
  return /^gpus\.\d+\.utilization_percent$/.test(key) ? MetricKind.percent : MetricKind.any;
}
