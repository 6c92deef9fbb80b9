/** A fleet in real shared memory, written as main and lanes write it, without them. */
import type { Clock } from '../../src/lib/clock.ts';
import { type RecordSource, recordJsonHead } from '../../src/model/record-json.ts';
import type { TaskEvent } from '../../src/model/task-change.ts';
import type { RunningTask } from '../../src/model/telemetry.ts';
import type { Announcement } from '../../src/reading/directory.ts';
import { allocateBoard, type BoardMemory, BoardWriter } from '../../src/store/board.ts';
import { COOL_MS, SlotShelf } from '../../src/store/slot-shelf.ts';
import { newSlot, SlotWriter } from '../../src/store/slot-writer.ts';

const RING_SAMPLES = 4;

interface Member {
  readonly row: number;
  readonly occupant: number;
  readonly numbersFrom: number;
  readonly writer: SlotWriter;
  beats: number;
}

export type Beat = Partial<Omit<RecordSource, 'workerId'>>;

export class Fleet {
  readonly memory: BoardMemory;
  readonly board: BoardWriter;
  readonly #clock: Clock;
  readonly #ringSamples: number;
  readonly #members = new Map<string, Member>();
  /** Told everything that main would announce. */
  onAnnounce: (items: readonly Announcement[]) => void = () => {};

  constructor(clock: Clock, rows = 64, ringSamples = RING_SAMPLES) {
    this.#clock = clock;
    this.#ringSamples = ringSamples;
    this.memory = allocateBoard(rows, clock.monotonicMs());
    this.board = new BoardWriter(this.memory);
    this.stampBeat();
  }

  stampBeat(): void {
    this.board.stampBeat(this.#clock.monotonicMs());
  }

  register(workerId: string): void {
    const place = this.board.occupy(this.#now());
    if (place === undefined) throw new Error('the board of this test is full');
    const countedAt = { publications: this.board.publications, row: place.row };
    const member = {
      ...place,
      writer: new SlotWriter(newSlot(workerId, this.#ringSamples, undefined, true), countedAt),
      beats: 0,
    };
    this.#members.set(workerId, member);
    this.onAnnounce([added(workerId, member)]);
  }

  /** A heartbeat of the worker: accepted by main, applied by its lane. */
  beat(workerId: string, beat: Beat = {}): void {
    this.accept(workerId);
    this.publish(workerId, beat);
  }

  /** Main's part of a heartbeat alone. */
  accept(workerId: string): void {
    const { row } = this.#member(workerId);
    this.board.accepted(row, this.#now());
    this.board.setState(row, 'active', 'heartbeat', 0);
  }

  /** The lane's part of a heartbeat alone. */
  publish(workerId: string, beat: Beat, events: readonly TaskEvent[] = []): void {
    const member = this.#member(workerId);
    const source: RecordSource = {
      workerId,
      cpuUsage: 0,
      memoryUsage: 0,
      storageUsage: 0,
      gpuUsage: 0,
      runningTasks: [],
      gpus: [],
      metrics: new Map(),
      ...beat,
    };
    member.beats++;
    member.writer.take(member.beats);
    const grown = member.writer.publish(
      {
        ordinal: member.beats,
        cpuUsage: source.cpuUsage,
        memoryUsage: source.memoryUsage,
        storageUsage: source.storageUsage,
        gpuUsage: source.gpuUsage,
        runningTasks: source.runningTasks.length,
        receivedUnixMs: this.#clock.wallMs(),
        receivedMonotonicMs: this.#clock.monotonicMs(),
        publishedMonotonicMs: this.#clock.monotonicMs(),
        sequence: 0,
        sentAtUnixMs: 0,
        hostLoopLagMs: 0,
        lastRoundTripMs: 0,
        taskStoodStillSinceMs: 0,
        sampleFlags: 0,
      },
      recordJsonHead(source),
      [],
      source,
      events,
    );
    if (grown !== undefined) this.onAnnounce([{ type: 'slotGrown', workerId, slot: grown }]);
  }

  /** The lane's part of a heartbeat that it does not take. */
  reject(workerId: string, reason: string): void {
    const member = this.#member(workerId);
    member.beats++;
    member.writer.take(member.beats);
    member.writer.reject(member.beats, reason, this.#clock.wallMs());
  }

  /** What main knows of the worker's row, for tests that judge it themselves. */
  rowOf(workerId: string): number {
    return this.#member(workerId).row;
  }

  /** Main judges the worker silent. */
  fallSilent(workerId: string): void {
    this.board.setState(this.#member(workerId).row, 'inactive', 'heartbeat', 0);
  }

  /** Takes the worker off the board; `announced` as main does it, or not yet. */
  forget(workerId: string, { announced = true } = {}): void {
    this.board.release(this.#member(workerId).row);
    this.#members.delete(workerId);
    if (announced) this.onAnnounce([{ type: 'slotGone', workerId }]);
  }

  /** Gives the row and the memory of a worker to another one; nobody has been told of either yet. */
  handOver(workerId: string, nextId: string): void {
    const { writer } = this.#member(workerId);
    this.forget(workerId, { announced: false });
    const shelf = new SlotShelf(this.#ringSamples);
    shelf.keep(writer.memory, 0);
    const memory = shelf.take(nextId, COOL_MS);
    const place = this.board.occupy(this.#now());
    if (place === undefined || memory === undefined) throw new Error('the row or the memory was not given back');
    const next = new SlotWriter(memory, { publications: this.board.publications, row: place.row });
    next.mend();
    this.#members.set(nextId, { ...place, writer: next, beats: 0 });
  }

  roster(): Announcement[] {
    return Array.from(this.#members, ([workerId, member]) => added(workerId, member));
  }

  #member(workerId: string): Member {
    const member = this.#members.get(workerId);
    if (member === undefined) throw new Error(`the test did not register ${workerId}`);
    return member;
  }

  #now() {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }
}

function added(workerId: string, { row, occupant, numbersFrom, writer }: Member): Announcement {
  return { type: 'slotAdded', workerId, row, occupant, slot: writer.memory, numbersFrom };
}

export function task(taskId: string, fields: Partial<RunningTask> = {}): RunningTask {
  return {
    taskId,
    cpuAllocated: 0.5,
    memoryAllocated: 0.25,
    gpuAllocated: 0,
    status: 'running',
    ...fields,
  } as RunningTask;
}
