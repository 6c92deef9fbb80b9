/** The workers of each lane, from the board. */
import type { LaneOnBoard } from '../store/board.ts';
import type { Directory } from './directory.ts';

export interface LaneWithWorkers extends LaneOnBoard {
  /** Ids. */
  readonly workers: string[];
}

/** Lanes with workers, by number. */
export function lanesWithWorkers(directory: Directory): ReadonlyMap<number, LaneWithWorkers> {
  const lanes = new Map<number, LaneWithWorkers>();
  for (const { workerId, row } of directory.all()) {
    const lane = directory.board.lane(row);
    const known = lanes.get(lane.number);
    if (known === undefined) lanes.set(lane.number, { ...lane, workers: [workerId] });
    else known.workers.push(workerId);
  }
  return lanes;
}
