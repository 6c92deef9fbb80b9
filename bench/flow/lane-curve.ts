/** What more dedicated lanes cost: the curve whose knee sets MAX_DEDICATED_LANES=auto. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { type LanePoint, measureLanes } from '../lib/lane-point.ts';
import { figuresOf, type QuestionOf } from '../lib/rows.ts';

const FLEETS = [1000, 10_000] as const;
const LANES = [0, 16, 32, 64, 128, 256, 512, 1000] as const;

/** By the number of lanes; what scales to the same number is measured once. */
type Run = ReadonlyMap<number, LanePoint>;

export const laneCurves: readonly Bench[] = FLEETS.map((fleet) => ({
  name: `lane-curve-${fleet}`,
  question: `What do dedicated lanes cost with ${fleet} workers, the rest on one shared lane?`,
  async run(context: BenchContext) {
    const { fleet: part, threads } = context.size;
    const lanesOf = (full: number) => (full === 0 ? 0 : scaled(full, part * threads));
    const runs = await repeated(this, context, async (size, watch): Promise<Run> => {
      const points = new Map<number, LanePoint>();
      for (const full of LANES) {
        const lanes = lanesOf(full);
        if (points.has(lanes)) continue;
        context.progress(`${this.name}: ${lanes} lanes`);
        const settings = { MAX_DEDICATED_LANES: String(lanes), SHARED_LANES: '1' };
        points.set(lanes, await measureLanes(size, fleet, settings, watch));
      }
      return points;
    });
    const workers = scaled(fleet, part);
    return figuresOf(
      runs,
      LANES.flatMap((full) =>
        questionsOf(`curve.${fleet}.${full}`, `${workers} workers, ${lanesOf(full)} dedicated lanes`, lanesOf(full)),
      ),
    );
  },
}));

function questionsOf(id: string, what: string, lanes: number): QuestionOf<Run>[] {
  const row = (name: string, question: string, unit: string, of: (point: LanePoint) => number) => ({
    id: `${id}.${name}`,
    question: `${what}: ${question}`,
    unit,
    of: (run: Run) => of(run.get(lanes) as LanePoint),
  });
  return [
    row('rate', 'unary, closed loop: acked', '/s', ({ perSecond }) => perSecond),
    row('work', 'CPU of the master per heartbeat', 'µs', ({ cpuUs }) => cpuUs),
    row('ack.p99', 'acks from the due time, p99', 'ms', ({ ackP99Ms }) => ackP99Ms),
    row('visible.p50', 'accepted to readable at 2,000/s, p50', 'µs', ({ visible }) => visible.p50 * 1000),
    row('cpu', 'CPU of the master at 2,000/s: of one core', '%', ({ cpuPercent }) => cpuPercent),
    row('rss', 'RSS', 'MB', ({ rssBytes }) => rssBytes / 1e6),
    row('start', 'process start to all lanes ready', 'ms', ({ startMs }) => startMs),
  ];
}
