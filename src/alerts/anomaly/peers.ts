/**
 * Each worker beside its group: its usages against the median of the group's active workers, scored by how unusual that distance is
 * for this worker (model/anomaly/peers.ts). Workers without a group are not compared: nobody says that they are alike.
 *
 * A new thread, and a worker in another group, learn for half an hour before anything is an anomaly.
 */
import { MetricKind } from '../../model/anomaly/metric-kind.ts';
import { GroupLevel, LEAST_PEERS, scorePeer } from '../../model/anomaly/peers.ts';
import { ANOMALY_SCORE, Scorer } from '../../model/anomaly/scorer.ts';
import { STATE_FLOATS } from '../../model/anomaly/state.ts';
import { SampleFlag } from '../../model/sample-flags.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { groupOf } from '../../reading/values.ts';
import { type PeerCause, PeerScoresWriter } from '../../store/peer-scores.ts';
import { USAGE_KEYS } from '../../store/score-word.ts';

const USAGES = ['cpuUsage', 'memoryUsage', 'storageUsage', 'gpuUsage'] as const;
const GPU = USAGES.indexOf('gpuUsage');
const FLOATS_PER_WORKER = USAGES.length * STATE_FLOATS;

interface Member {
  readonly entry: WorkerEntry;
  readonly receivedMs: number;
  readonly receivedUnixMs: number;
  /** NaN: it has none. */
  readonly usages: readonly number[];
}

export class Peers {
  readonly #directory: Directory;
  readonly #writer: PeerScoresWriter;
  readonly #scorer = new Scorer();
  readonly #level = new GroupLevel();
  /** By row: what was learned, of which worker in which group, and up to which sample. */
  #states = new Float32Array(0);
  #occupants = new Int32Array(0);
  readonly #groupOf: string[] = [];
  #takenMs = new Float64Array(0);
  /** Rows with a score above 0. */
  readonly #scored = new Map<number, number>();
  readonly #best: { score: number; cause: PeerCause | undefined }[] = [];

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#writer = new PeerScoresWriter(directory.board.memory.peerScores);
    this.#writer.reset();
  }

  /** Looks at all workers once. */
  look(): void {
    const groups = this.#groups();
    const seen = new Set<number>();
    for (const [group, members] of groups) {
      if (members.length < LEAST_PEERS) continue;
      for (const { entry } of members) seen.add(entry.row);
      this.#compare(group, members);
    }
    for (const [row, occupant] of this.#scored) if (!seen.has(row)) this.#set(row, occupant, 0, undefined, 0);
  }

  #groups(): Map<string, Member[]> {
    const { board } = this.#directory;
    const groups = new Map<string, Member[]>();
    for (const entry of this.#directory.all()) {
      const group = groupOf(entry);
      if (group === '' || !board.isActive(entry.row)) continue;
      const member = readWhileThere(board, entry, () => memberOf(entry));
      if (member === undefined) continue;
      const known = groups.get(group);
      if (known === undefined) groups.set(group, [member]);
      else known.push(member);
    }
    return groups;
  }

  #compare(group: string, members: readonly Member[]): void {
    this.#best.length = 0;
    const isNew = members.map((member) => this.#isNew(group, member));
    for (let usage = 0; usage < USAGES.length; usage++) {
      const values = members.map(({ usages }) => usages[usage] as number);
      if (!this.#level.measure(values, values.length)) continue;
      for (const [index, { entry, receivedMs }] of members.entries()) {
        const value = values[index] as number;
        if (!isNew[index] || Number.isNaN(value)) continue;
        const at = entry.row * FLOATS_PER_WORKER + usage * STATE_FLOATS;
        const scorer = this.#scorer;
        scorePeer(scorer, this.#states, at, MetricKind.percent, receivedMs, value, this.#level);
        const best = this.#best[index];
        if (best !== undefined && scorer.score <= best.score) continue;
        const { code, usual, ratio, samples, score } = scorer;
        const metric = USAGE_KEYS[usage] as (typeof USAGE_KEYS)[number];
        const cause = score < ANOMALY_SCORE ? undefined : { metric, code, value, usual, ratio, samples };
        this.#best[index] = { score, cause };
      }
    }
    for (const [index, { entry, receivedMs, receivedUnixMs }] of members.entries()) {
      if (!isNew[index]) continue;
      this.#takenMs[entry.row] = receivedMs;
      const { score = 0, cause } = this.#best[index] ?? {};
      this.#set(entry.row, entry.occupant, score, cause, receivedUnixMs);
    }
  }

  /** Whether it has a sample that was not scored yet. */
  #isNew(group: string, { entry: { row, occupant }, receivedMs }: Member): boolean {
    this.#reserve(row);
    // How far it is from other workers says nothing of these.
    if (this.#occupants[row] !== occupant || this.#groupOf[row] !== group) {
      this.#occupants[row] = occupant;
      this.#groupOf[row] = group;
      this.#takenMs[row] = 0;
      this.#states.fill(0, row * FLOATS_PER_WORKER, (row + 1) * FLOATS_PER_WORKER);
    }
    return receivedMs > (this.#takenMs[row] as number);
  }

  #set(row: number, occupant: number, score: number, cause: PeerCause | undefined, atUnixMs: number): void {
    const isChanged = this.#writer.set(row, occupant, score, cause, atUnixMs);
    if (score > 0) this.#scored.set(row, occupant);
    else this.#scored.delete(row);
    // Readers that look for changes find it.
    if (isChanged) this.#directory.board.publications.add(row);
  }

  #reserve(row: number): void {
    if (row < this.#occupants.length) return;
    const rows = 2 ** Math.ceil(Math.log2(row + 1));
    const [states, occupants, takenMs] = [this.#states, this.#occupants, this.#takenMs];
    this.#states = new Float32Array(rows * FLOATS_PER_WORKER);
    this.#occupants = new Int32Array(rows);
    this.#takenMs = new Float64Array(rows);
    this.#states.set(states);
    this.#occupants.set(occupants);
    this.#takenMs.set(takenMs);
  }
}

function memberOf(entry: WorkerEntry): Member | undefined {
  const numbers = entry.slot.numbers();
  if (numbers === undefined) return undefined;
  const hasGpu = (numbers.sampleFlags & SampleFlag.hasGpu) !== 0;
  const usages = USAGES.map((name, usage) => (usage === GPU && !hasGpu ? Number.NaN : numbers[name]));
  const { receivedMonotonicMs: receivedMs, receivedUnixMs } = numbers;
  return { entry, receivedMs, receivedUnixMs, usages };
}
