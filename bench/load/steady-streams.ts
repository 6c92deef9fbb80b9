import { Fleet } from './fleet.ts';
import { type Load, noStats, type SteadyStreamsSpec } from './load.ts';
import { Probe } from './probe.ts';
import { StreamConnection } from './stream-connection.ts';
import { Ticks } from './ticks.ts';

const MINUTE_MS = 60_000;

/** See {@link SteadyStreamsSpec}. */
export function steadyStreams(spec: SteadyStreamsSpec): Load {
  const { grpcPort, workers, streams, perSecond, renewedPerMinute = 0, probesPerSecond = 0, metrics } = spec;
  const fleet = new Fleet(workers, 'pulselane', undefined, metrics);
  const stats = noStats();
  const connect = () => new StreamConnection(grpcPort, () => stats.failed++);
  const open = Array.from({ length: streams }, connect);

  const ticks = new Ticks(perSecond, (number) => {
    const worker = number % workers;
    (open[worker % streams] as StreamConnection).write(Buffer.from(fleet.next(worker)));
    stats.sent++;
  });

  const probe =
    probesPerSecond === 0 ? undefined : new Probe({ grpcPort, worker: workers, perSecond: probesPerSecond, stats });

  let renewed = 0;
  const renew = () => {
    const index = renewed++ % streams;
    void open[index]?.close();
    open[index] = connect();
  };
  const renewal = renewedPerMinute === 0 ? undefined : setInterval(renew, MINUTE_MS / renewedPerMinute);

  return {
    stats,
    setRate: (rate) => ticks.setRate(rate),
    async stop() {
      ticks.stop();
      clearInterval(renewal);
      await probe?.stop();
      await Promise.all(open.map((stream) => stream.close()));
    },
  };
}
