/**
 * The board: one fixed row per worker, in one SharedArrayBuffer, plus a count of publications to each worker's slot.
 *
 * Only the main thread writes it, through `BoardWriter`; every thread may read it, through `BoardReader`. Each word is
 * consistent by itself and may be a moment old; a row is not read atomically.
 */
import { randomBytes } from 'node:crypto';
import {
  FAULT_CAUSES,
  type FaultCause,
  LANE_KINDS,
  LANE_STATES,
  type LaneKind,
  type LaneState,
  REJECTION_CAUSES,
  REPLACEMENT_REASONS,
  type RejectionCause,
  type ReplacementReason,
} from '../model/lanes.ts';
import { isActiveIn, STATE_CAUSES, type StateCause, WORKER_STATES, type WorkerState } from '../model/liveness.ts';
import { STUCK_REASONS, type StuckReason } from '../model/stuck.ts';
import { HEARTBEAT_REFUSALS, type HeartbeatRefusal, TRANSPORTS, type Transport } from '../model/transports.ts';
import { type ApplyTimesMemory, ApplyTimesTotal, allocateApplyTimes } from './apply-times.ts';
import {
  BOARD_EPOCH_NUMBER,
  BOARD_MAGIC,
  BOARD_STARTED_NUMBER,
  BOOT_ID_WORDS,
  BoardWord,
  boardBytes,
  HIGH_CHANGES,
  LAYOUT_VERSION,
  NO_SKEW_HIGH,
  RowFlag,
  RowWord,
  rowWordIndex,
  WORD_BYTES,
} from './layout.ts';
import {
  type HeartbeatTotals,
  type MasterFigures,
  noneOf,
  noneOfTable,
  readFigures,
  STATES_AND_GONE,
  writeFigures,
} from './master-figures.ts';
import { allocatePeerScores, type PeerScoresMemory, PeerScoresReader } from './peer-scores.ts';
import { allocatePublications, Publications, type PublicationsMemory } from './publications.ts';
import { allocateThreadFigures, type ThreadFiguresMemory, ThreadFiguresReader } from './thread-figures.ts';

/** The memory, as passed between threads. */
export interface BoardMemory {
  readonly rows: SharedArrayBuffer;
  /** Publications to the slot of each row: written by lanes, which get no other part of the board. */
  readonly publications: PublicationsMemory;
  /** How long heartbeats take: written by lanes. */
  readonly applyTimes: ApplyTimesMemory;
  /** Of reading threads: written by each of them. */
  readonly threads: ThreadFiguresMemory;
  /** How unlike its group each worker is: written by the alerts thread. */
  readonly peerScores: PeerScoresMemory;
}

export function allocateBoard(rows: number, nowMonotonicMs: number, nowUnixMs = 0): BoardMemory {
  const memory = new SharedArrayBuffer(boardBytes(rows));
  const words = new Int32Array(memory);
  Atomics.store(words, BoardWord.magic, BOARD_MAGIC);
  Atomics.store(words, BoardWord.version, LAYOUT_VERSION);
  Atomics.store(words, BoardWord.capacity, rows);
  for (let word = 0; word < BOOT_ID_WORDS; word++) {
    Atomics.store(words, BoardWord.bootId + word, randomBytes(WORD_BYTES).readInt32LE());
  }
  const numbers = new Float64Array(memory);
  numbers[BOARD_EPOCH_NUMBER] = nowMonotonicMs;
  numbers[BOARD_STARTED_NUMBER] = nowUnixMs;
  return {
    rows: memory,
    publications: allocatePublications(rows),
    applyTimes: allocateApplyTimes(),
    threads: allocateThreadFigures(),
    peerScores: allocatePeerScores(rows),
  };
}

/** One worker's row, for display. */
export interface RowView {
  readonly state: WorkerState;
  /** Why and since when it is in that state. */
  readonly cause: StateCause;
  readonly stateSinceS: number;
  readonly isActive: boolean;
  /** Why it is stuck; undefined if it is not. */
  readonly stuck: StuckReason | undefined;
  readonly isFlapping: boolean;
  /** Two instances use its id. */
  readonly hasConflict: boolean;
  readonly intervalMs: number;
  /** How far its clock is ahead of the master's; undefined if never measured. */
  readonly skewMs: number | undefined;
  /** Number of restarts. */
  readonly restarts: number;
  /** Heartbeats that were sent but never arrived, by sequence number. */
  readonly missed: number;
  readonly lastUpdateS: number;
  /** Time since the last heartbeat, or the registration. */
  readonly ageMs: number;
  readonly registeredS: number;
  readonly accepted: number;
  /** Accepted heartbeats that were replaced by a newer one. */
  readonly replaced: number;
  readonly replacedBy: Readonly<Record<ReplacementReason, number>>;
  /** Accepted heartbeats that were in process when their lane failed. */
  readonly lost: number;
  readonly lostBy: Readonly<Record<FaultCause, number>>;
  readonly lane: LaneOnBoard;
}

/** The lane that serves a worker. */
export interface LaneOnBoard {
  readonly number: number;
  readonly kind: LaneKind;
  readonly state: LaneState;
  readonly restarts: number;
}

export class BoardReader {
  readonly memory: BoardMemory;
  /** Changes with each record and note of a slot, for readers that look for changes. */
  readonly publications: Publications;
  readonly threads: ThreadFiguresReader;
  readonly peerScores: PeerScoresReader;
  protected readonly words: Int32Array;
  protected readonly numbers: Float64Array;
  readonly #epochMs: number;

  constructor(memory: BoardMemory) {
    this.memory = memory;
    this.publications = new Publications(memory.publications);
    this.threads = new ThreadFiguresReader(memory.threads);
    this.peerScores = new PeerScoresReader(memory.peerScores);
    this.words = new Int32Array(memory.rows);
    if (this.words[BoardWord.magic] !== BOARD_MAGIC || this.words[BoardWord.version] !== LAYOUT_VERSION) {
      throw new Error('not a board of this layout');
    }
    // Covers whole rows, so that its length is a whole number of Float64.
    this.numbers = new Float64Array(memory.rows);
    this.#epochMs = this.numbers[BOARD_EPOCH_NUMBER] as number;
  }

  get capacity(): number {
    return Atomics.load(this.words, BoardWord.capacity);
  }

  /** Rows from this one on were never used. */
  get rowsUsed(): number {
    return Atomics.load(this.words, BoardWord.rowsUsed);
  }

  get workers(): number {
    return Atomics.load(this.words, BoardWord.workers);
  }

  get activeWorkers(): number {
    return Atomics.load(this.words, BoardWord.activeWorkers);
  }

  /** Heartbeats accepted since the start. */
  get heartbeats(): number {
    const halves = Atomics.load(this.words, BoardWord.heartbeatHalves);
    const count = Atomics.load(this.words, BoardWord.heartbeats) >>> 0;
    // The highest bit tells whether `heartbeats` changed halves between the two loads, or main has not counted that
    // yet.
    const isBehind = count >>> 31 !== (halves & 1);
    return Math.floor((halves + Number(isBehind)) / 2) * 2 ** 32 + count;
  }

  /** Recent heartbeats per second. */
  get heartbeatsPerS(): number {
    return (Atomics.load(this.words, BoardWord.heartbeatRateCentiHz) >>> 0) / 100;
  }

  /** When the master started, and all its counts were 0. */
  get startedUnixMs(): number {
    return this.numbers[BOARD_STARTED_NUMBER] as number;
  }

  /** Identifies this run of the master: 32 hexadecimal digits. */
  get bootId(): string {
    const words = Array.from({ length: BOOT_ID_WORDS }, (_, word) => Atomics.load(this.words, BoardWord.bootId + word));
    return words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Figures of the master as a whole; at most 250 ms old, unless main is stuck. */
  figures(): MasterFigures {
    return readFigures(this.words, this.numbers);
  }

  /** Time since the main thread last stamped its beat. */
  beatAgeMs(nowMonotonicMs: number): number {
    return this.#ageMs(Atomics.load(this.words, BoardWord.beatCs), nowMonotonicMs);
  }

  /** The occupant of the row; 0 or less if it is free. */
  occupantOf(row: number): number {
    return this.word(row, RowWord.occupant);
  }

  /** Whether `row` still belongs to this occupant. */
  isOccupiedBy(row: number, occupant: number): boolean {
    return this.word(row, RowWord.occupant) === occupant;
  }

  state(row: number): WorkerState {
    return WORKER_STATES[this.word(row, RowWord.state)] ?? 'registered';
  }

  isActive(row: number): boolean {
    return this.word(row, RowWord.isActive) === 1;
  }

  lastUpdateS(row: number): number {
    return this.word(row, RowWord.lastUpdateS) >>> 0;
  }

  lane(row: number): LaneOnBoard {
    return {
      number: this.word(row, RowWord.lane),
      kind: LANE_KINDS[this.word(row, RowWord.laneKind)] ?? 'shared',
      state: LANE_STATES[this.word(row, RowWord.laneState)] ?? 'stopped',
      restarts: this.word(row, RowWord.laneRestarts) >>> 0,
    };
  }

  /** Only its state: `lane` without making an object. */
  laneState(row: number): LaneState {
    return LANE_STATES[this.word(row, RowWord.laneState)] ?? 'stopped';
  }

  /**
   * Whether a row looks unchanged, for callers that check thousands of rows. Reads plainly, since Atomics.load takes
   * four times as long: the words may be a moment old, and of different moments. True only means that no change was
   * seen yet; read the row again before using it.
   */
  looksLike(row: number, occupant: number, lastUpdateS: number, isActive: boolean): boolean {
    const { words } = this;
    const at = rowWordIndex(row, 0);
    return (
      words[at + RowWord.occupant] === occupant &&
      (words[at + RowWord.lastUpdateS] as number) >>> 0 === lastUpdateS &&
      (words[at + RowWord.isActive] === 1) === isActive
    );
  }

  /** Allocates a copy of every row, for {@link changedRows}. */
  newRowCopies(): Int32Array {
    return new Int32Array(this.capacity * RowWord.end);
  }

  /**
   * Finds the rows below `rows` that differ from `copies`, and writes their numbers into `into`. Reads plainly, like
   * `looksLike`: later changes are found by the next call.
   * @returns the number of changed rows
   */
  changedRows(copies: Int32Array, rows: number, into: Int32Array): number {
    const { words } = this;
    let changed = 0;
    for (let row = 0; row < rows; row++) {
      const at = rowWordIndex(row, 0);
      const copyAt = row * RowWord.end;
      for (let word = 0; word < RowWord.end; word++) {
        if (words[at + word] === copies[copyAt + word]) continue;
        into[changed++] = row;
        break;
      }
    }
    return changed;
  }

  /**
   * Updates the copy of one row.
   * @returns the number of changes that may have been undone by another in between: 0 or 1 if none can have
   */
  copyRow(row: number, copies: Int32Array): number {
    const at = row * RowWord.end;
    // Reads the version first, which main increments after other changes: a concurrent change may be counted later, but
    // a counted change is never missing from the copy.
    const versions = this.#copyCount(row, RowWord.version, copies);
    const heartbeats = this.#copyCount(row, RowWord.accepted, copies);
    for (let word = 0; word < RowWord.end; word++) {
      if (word !== RowWord.version && word !== RowWord.accepted) copies[at + word] = this.word(row, word);
    }
    return Math.max(versions, heartbeats);
  }

  /** @returns the difference to the earlier count */
  #copyCount(row: number, word: number, copies: Int32Array): number {
    const at = row * RowWord.end + word;
    const before = copies[at] as number;
    copies[at] = this.word(row, word);
    return ((copies[at] as number) - before) | 0;
  }

  /** Whether the row still equals its copy. Reads plainly, like `changedRows`. */
  isAsCopied(row: number, copies: Int32Array): boolean {
    const { words } = this;
    const at = rowWordIndex(row, 0);
    const copyAt = row * RowWord.end;
    for (let word = 0; word < RowWord.end; word++) {
      if (words[at + word] !== copies[copyAt + word]) return false;
    }
    return true;
  }

  cause(row: number): StateCause {
    return STATE_CAUSES[this.word(row, RowWord.cause)] ?? 'registration';
  }

  stateSinceS(row: number): number {
    return this.word(row, RowWord.stateSinceS) >>> 0;
  }

  registeredS(row: number): number {
    return this.word(row, RowWord.registeredS) >>> 0;
  }

  /** Why it is stuck; undefined if it is not. */
  stuck(row: number): StuckReason | undefined {
    return STUCK_REASONS[this.word(row, RowWord.stuck) - 1];
  }

  isFlapping(row: number): boolean {
    return (this.word(row, RowWord.flags) & RowFlag.flapping) !== 0;
  }

  hasConflict(row: number): boolean {
    return (this.word(row, RowWord.flags) & RowFlag.conflict) !== 0;
  }

  intervalMs(row: number): number {
    return this.word(row, RowWord.intervalMs) >>> 0;
  }

  /** How far its clock is ahead of the master's; undefined if never measured. */
  skewMs(row: number): number | undefined {
    return this.#wide(row, RowWord.skewMs, RowWord.skewHigh);
  }

  restarts(row: number): number {
    return this.word(row, RowWord.restarts) >>> 0;
  }

  /** Accepted heartbeats of the worker, modulo 2^32. */
  acceptedOf(row: number): number {
    return this.word(row, RowWord.accepted) >>> 0;
  }

  missed(row: number): number {
    return this.#wide(row, RowWord.missed, RowWord.missedHigh) ?? 0;
  }

  replacedBy(row: number): Record<ReplacementReason, number> {
    return this.#counts(row, RowWord.replaced, REPLACEMENT_REASONS);
  }

  lostBy(row: number): Record<FaultCause, number> {
    return this.#counts(row, RowWord.lost, FAULT_CAUSES);
  }

  /** Heartbeats of the worker that were replaced for this reason. */
  replacedFor(row: number, reason: ReplacementReason): number {
    return this.word(row, RowWord.replaced + REPLACEMENT_REASONS.indexOf(reason)) >>> 0;
  }

  /** Heartbeats of the worker that were lost with their lane. */
  lost(row: number): number {
    let sum = 0;
    for (let cause = 0; cause < FAULT_CAUSES.length; cause++) sum += this.word(row, RowWord.lost + cause) >>> 0;
    return sum;
  }

  view(row: number, nowMonotonicMs: number): RowView {
    const replacedBy = this.replacedBy(row);
    const lostBy = this.lostBy(row);
    return {
      state: this.state(row),
      cause: this.cause(row),
      stateSinceS: this.stateSinceS(row),
      isActive: this.isActive(row),
      stuck: this.stuck(row),
      isFlapping: this.isFlapping(row),
      hasConflict: this.hasConflict(row),
      intervalMs: this.intervalMs(row),
      skewMs: this.skewMs(row),
      restarts: this.restarts(row),
      missed: this.missed(row),
      lastUpdateS: this.lastUpdateS(row),
      ageMs: this.#ageMs(this.word(row, RowWord.receiptCs), nowMonotonicMs),
      registeredS: this.registeredS(row),
      accepted: this.acceptedOf(row),
      replaced: sumOf(replacedBy),
      replacedBy,
      lost: sumOf(lostBy),
      lostBy,
      lane: this.lane(row),
    };
  }

  #counts<K extends string>(row: number, first: number, names: readonly K[]): Record<K, number> {
    const counts = names.map((name, index) => [name, this.word(row, first + index) >>> 0]);
    return Object.fromEntries(counts) as Record<K, number>;
  }

  /** Both halves of a 53-bit number. */
  #wide(row: number, lowWord: number, highWord: number): number | undefined {
    for (;;) {
      const high = this.word(row, highWord);
      const low = this.word(row, lowWord) >>> 0;
      // Main changes both within a microsecond, so a retry soon succeeds.
      if (high === HIGH_CHANGES || high !== this.word(row, highWord)) continue;
      return high === NO_SKEW_HIGH ? undefined : high * 2 ** 32 + low;
    }
  }

  protected word(row: number, word: number): number {
    return Atomics.load(this.words, rowWordIndex(row, word));
  }

  protected centiseconds(monotonicMs: number): number {
    return Math.floor((monotonicMs - this.#epochMs) / 10) | 0;
  }

  /** Difference of two wrapping stamps; 0 if the stamp is in the future (a read between two stores). */
  #ageMs(stampCs: number, nowMonotonicMs: number): number {
    const ageCs = (this.centiseconds(nowMonotonicMs) - stampCs) | 0;
    return ageCs < 0 && ageCs > -100 ? 0 : (ageCs >>> 0) * 10;
  }
}

export interface Receipt {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** What a master knows of a worker from an earlier one. */
export interface RestoredRow {
  readonly isActive: boolean;
  readonly lastUpdateS: number;
  readonly registeredS: number;
}

export class BoardWriter extends BoardReader {
  /** Released rows, to be reused first. */
  readonly #free: number[] = [];
  /** Totals of all workers, including removed ones; published by {@link setFigures}. */
  readonly #totals = {
    accepted: 0,
    acceptedBy: noneOf(TRANSPORTS),
    refusedBy: noneOf(HEARTBEAT_REFUSALS),
    gaps: 0,
    applied: 0,
    forgotten: 0,
    replacedBy: noneOf(REPLACEMENT_REASONS),
    rejectedBy: noneOf(REJECTION_CAUSES),
    lostBy: noneOf(FAULT_CAUSES),
  };
  readonly #transitions = noneOfTable(WORKER_STATES, STATES_AND_GONE);
  readonly #applyTimes: ApplyTimesTotal;

  constructor(memory: BoardMemory) {
    super(memory);
    this.#applyTimes = new ApplyTimesTotal(memory.applyTimes);
  }

  stampBeat(nowMonotonicMs: number): void {
    Atomics.store(this.words, BoardWord.beatCs, this.centiseconds(nowMonotonicMs));
  }

  /**
   * Allocates a row for a new worker; undefined when all are in use. Its samples are numbered from `numbersFrom` on: as many as the
   * heartbeats of all workers so far, so that a worker that left and comes back has higher numbers than before.
   */
  occupy(at: Receipt): { row: number; occupant: number; numbersFrom: number } | undefined {
    const row = this.#free.pop() ?? this.#unusedRow();
    if (row === undefined) return undefined;
    const occupant = this.#nextOccupant(row);
    for (let word = 0; word < RowWord.end; word++) {
      if (word !== RowWord.version) this.#set(row, word, 0);
    }
    this.#set(row, RowWord.registeredS, Math.floor(at.wallMs / 1000));
    this.#set(row, RowWord.stateSinceS, Math.floor(at.wallMs / 1000));
    this.#set(row, RowWord.skewHigh, NO_SKEW_HIGH);
    this.#stamp(row, at);
    this.#set(row, RowWord.occupant, occupant);
    this.#changed(row);
    Atomics.add(this.words, BoardWord.workers, 1);
    return { row, occupant, numbersFrom: this.heartbeats };
  }

  release(row: number): void {
    this.#transitions[this.state(row)].gone++;
    this.#setActive(row, false);
    // Kept, negated, so that the next occupant gets another number and old slots are not taken for its own.
    this.#set(row, RowWord.occupant, -this.word(row, RowWord.occupant));
    Atomics.sub(this.words, BoardWord.workers, 1);
    this.#free.push(row);
  }

  /** Call after the heartbeat's other changes (skew, missed and so on), each of which changes once with it. */
  accepted(row: number, at: Receipt, transport: Transport = 'library'): void {
    this.#stamp(row, at);
    Atomics.add(this.words, rowWordIndex(row, RowWord.accepted), 1);
    this.#totals.accepted++;
    this.#totals.acceptedBy[transport]++;
    const before = Atomics.add(this.words, BoardWord.heartbeats, 1);
    if (before === 0x7fffffff || before === -1) Atomics.add(this.words, BoardWord.heartbeatHalves, 1);
  }

  countRefused(reason: HeartbeatRefusal): void {
    this.#totals.refusedBy[reason]++;
  }

  /** Lanes have applied this many more heartbeats. */
  countApplied(heartbeats: number): void {
    this.#totals.applied += heartbeats;
  }

  countRejected(cause: RejectionCause, heartbeats: number): void {
    this.#totals.rejectedBy[cause] += heartbeats;
  }

  /** This many heartbeats were not processed when their worker was removed. */
  countForgotten(heartbeats: number): void {
    this.#totals.forgotten += heartbeats;
  }

  get totals(): HeartbeatTotals {
    return this.#totals;
  }

  /** Adds what lanes have recorded since the last call to what is published; at least once a second. */
  collectApplyTimes(): void {
    this.#applyTimes.collect();
  }

  /** Publishes the figures together with the totals. */
  setFigures(figures: Omit<MasterFigures, 'totals' | 'transitions' | 'applyTimes'>): void {
    const [totals, transitions, applyTimes] = [this.#totals, this.#transitions, this.#applyTimes];
    writeFigures(this.words, this.numbers, { ...figures, totals, transitions, applyTimes });
  }

  setHeartbeatRate(perS: number): void {
    Atomics.store(this.words, BoardWord.heartbeatRateCentiHz, Math.round(perS * 100));
  }

  setState(row: number, state: WorkerState, cause: StateCause, sinceUnixMs: number): void {
    const before = this.state(row);
    if (before !== state) this.#transitions[before][state]++;
    const isActive = isActiveIn(state);
    if (isActive !== undefined) this.#setActive(row, isActive);
    const differing =
      this.#replace(row, RowWord.state, WORKER_STATES.indexOf(state)) +
      this.#replace(row, RowWord.cause, STATE_CAUSES.indexOf(cause)) +
      this.#replace(row, RowWord.stateSinceS, Math.floor(sinceUnixMs / 1000));
    if (differing > 0) this.#changed(row);
  }

  /** Sets the row of a worker of an earlier master, as that one last saw it. */
  restore(row: number, { isActive, lastUpdateS, registeredS }: RestoredRow): void {
    this.#setActive(row, isActive);
    this.#set(row, RowWord.lastUpdateS, lastUpdateS);
    this.#set(row, RowWord.registeredS, registeredS);
    this.#changed(row);
  }

  setInterval(row: number, intervalMs: number): void {
    this.#change(row, RowWord.intervalMs, Math.round(intervalMs));
  }

  setSkew(row: number, skewMs: number): void {
    this.#setWide(row, RowWord.skewMs, RowWord.skewHigh, skewMs);
  }

  setStuck(row: number, reason: StuckReason | undefined): void {
    this.#change(row, RowWord.stuck, reason === undefined ? 0 : STUCK_REASONS.indexOf(reason) + 1);
  }

  setFlag(row: number, flag: keyof typeof RowFlag, isSet: boolean): void {
    const flags = this.word(row, RowWord.flags);
    this.#change(row, RowWord.flags, isSet ? flags | RowFlag[flag] : flags & ~RowFlag[flag]);
  }

  setRestarts(row: number, restarts: number): void {
    this.#set(row, RowWord.restarts, restarts);
  }

  setMissed(row: number, missed: number): void {
    if (missed > this.missed(row)) this.#totals.gaps++;
    this.#setWide(row, RowWord.missed, RowWord.missedHigh, missed);
  }

  countReplaced(row: number, reason: ReplacementReason): void {
    this.#totals.replacedBy[reason]++;
    Atomics.add(this.words, rowWordIndex(row, RowWord.replaced + REPLACEMENT_REASONS.indexOf(reason)), 1);
  }

  countLost(row: number, cause: FaultCause): void {
    this.#totals.lostBy[cause]++;
    Atomics.add(this.words, rowWordIndex(row, RowWord.lost + FAULT_CAUSES.indexOf(cause)), 1);
  }

  setLane(row: number, lane: LaneOnBoard): void {
    const differing =
      this.#replace(row, RowWord.lane, lane.number) +
      this.#replace(row, RowWord.laneKind, LANE_KINDS.indexOf(lane.kind)) +
      this.#replace(row, RowWord.laneState, LANE_STATES.indexOf(lane.state)) +
      this.#replace(row, RowWord.laneRestarts, lane.restarts);
    if (differing > 0) this.#changed(row);
  }

  #unusedRow(): number | undefined {
    const used = Atomics.load(this.words, BoardWord.rowsUsed);
    if (used >= this.capacity) return undefined;
    Atomics.store(this.words, BoardWord.rowsUsed, used + 1);
    return used;
  }

  #nextOccupant(row: number): number {
    const last = Math.abs(this.word(row, RowWord.occupant));
    return last >= 0x7fffffff ? 1 : last + 1;
  }

  #setActive(row: number, isActive: boolean): void {
    const change = Number(isActive) - Number(this.isActive(row));
    if (change === 0) return;
    this.#set(row, RowWord.isActive, Number(isActive));
    Atomics.add(this.words, BoardWord.activeWorkers, change);
  }

  #stamp(row: number, at: Receipt): void {
    this.#set(row, RowWord.lastUpdateS, Math.floor(at.wallMs / 1000));
    this.#set(row, RowWord.receiptCs, this.centiseconds(at.monotonicMs));
  }

  /**
   * Writes a whole number of up to ±(2^53 - 1). Usually the high half is unchanged, and the write is a single store.
   */
  #setWide(row: number, lowWord: number, highWord: number, value: number): void {
    const whole = Math.round(Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value)));
    const high = Math.floor(whole / 2 ** 32);
    const isHighSame = this.word(row, highWord) === high;
    if (!isHighSame) this.#set(row, highWord, HIGH_CHANGES);
    this.#set(row, lowWord, whole | 0);
    if (!isHighSame) this.#set(row, highWord, high);
  }

  #change(row: number, word: number, value: number): void {
    if (this.#replace(row, word, value) > 0) this.#changed(row);
  }

  /** @returns 1 if the word changed, else 0 */
  #replace(row: number, word: number, value: number): number {
    if (this.word(row, word) === (value | 0)) return 0;
    this.#set(row, word, value);
    return 1;
  }

  /** Increments the version; must come last, see `copyRow`. */
  #changed(row: number): void {
    Atomics.add(this.words, rowWordIndex(row, RowWord.version), 1);
  }

  #set(row: number, word: number, value: number): void {
    Atomics.store(this.words, rowWordIndex(row, word), value);
  }
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
