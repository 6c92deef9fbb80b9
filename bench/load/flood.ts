import { Fleet } from './fleet.ts';
import { type FloodSpec, type Load, noStats } from './load.ts';
import { StreamConnection } from './stream-connection.ts';
import { Ticks } from './ticks.ts';

/** See {@link FloodSpec}. */
export function flood({ grpcPort, workerId, perSecond }: FloodSpec): Load {
  const fleet = new Fleet(1, 'pulselane', () => workerId);
  const stats = noStats();
  const stream = new StreamConnection(grpcPort, () => stats.failed++);
  const ticks = new Ticks(perSecond, () => {
    stream.write(Buffer.from(fleet.next(0)));
    stats.sent++;
  });
  return {
    stats,
    async stop() {
      ticks.stop();
      await stream.close();
    },
  };
}
