/** How fast this machine is by itself: the floors that need no load. */
import { type Bench, type BenchContext, repeated, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf, p50p99, type QuestionOf, type Spread, spreadQuestions } from '../lib/rows.ts';
import type { FloorsCalls } from '../processes/floors.ts';

const WAKE_MS = 2500;
const THREADS = 20;
const COPIES = 50;
/** What `GET /telemetry` of 10,000 workers is, about. */
const COPY_BYTES = 6_400_000;

interface Run {
  readonly bell: Spread;
  readonly port: Spread;
  readonly loopDelayMs: number;
  readonly threadStart: Spread;
  readonly memcpy: Spread;
}

export const floors: Bench = {
  name: 'floors',
  question: 'How fast is this machine by itself?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ time, threads }) =>
      withChildren(async (start): Promise<Run> => {
        const process = start<FloorsCalls>('floors.ts');
        const bell = await process.call('wakeUps', 'bell', WAKE_MS * time);
        const port = await process.call('wakeUps', 'port', WAKE_MS * time);
        return {
          bell: p50p99(bell.tookUs),
          port: p50p99(port.tookUs),
          loopDelayMs: bell.loopDelayMs,
          threadStart: p50p99(await process.call('threadStartsMs', scaled(THREADS, threads))),
          memcpy: p50p99(await process.call('copiesMs', COPY_BYTES, scaled(COPIES, time))),
        };
      }),
    );
    return figuresOf<Run>(runs, [
      ...spreadQuestions<Run>(
        { id: 'floor.wake.bell', question: 'wake-up of a sleeping thread through shared memory', unit: 'µs' },
        ({ bell }) => bell,
      ),
      ...spreadQuestions<Run>(
        { id: 'floor.wake.port', question: 'wake-up of a thread by a message to its event loop', unit: 'µs' },
        ({ port }) => port,
      ),
      row('floor.loop.p99', 'delay of timers of 1 ms, p99', ({ loopDelayMs }) => loopDelayMs),
      row('floor.thread.start', 'start of a thread that does nothing, p50', ({ threadStart }) => threadStart.p50),
      row('floor.memcpy', `copying ${COPY_BYTES / 1e6} MB, p50`, ({ memcpy }) => memcpy.p50),
    ]);
  },
};

function row(id: string, question: string, of: (run: Run) => number): QuestionOf<Run> {
  return { id, question, unit: 'ms', of };
}
