/** `GET /api/v1/lanes`: the lanes that serve somebody, and who shares each. */
import type { LaneOnBoard } from '../../store/board.ts';
import type { AppContext } from '../context.ts';
import { sendJson } from '../respond.ts';
import { type App, readOnly } from './route.ts';

export function lanesRoutes(app: App, { directory }: AppContext): void {
  readOnly(app, '/api/v1/lanes', (c) => {
    const lanes = new Map<number, LaneOnBoard & { workers: string[] }>();
    for (const { workerId, row } of directory.all()) {
      const lane = directory.board.lane(row);
      const known = lanes.get(lane.number);
      if (known === undefined) lanes.set(lane.number, { ...lane, workers: [workerId] });
      else known.workers.push(workerId);
    }
    const sorted = [...lanes.values()].sort((left, right) => left.number - right.number);
    return sendJson(c, 200, { lanes: sorted });
  });
}
