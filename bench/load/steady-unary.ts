import { Fleet } from './fleet.ts';
import { type Load, noStats, SEND_HEARTBEAT, type SteadyUnarySpec } from './load.ts';
import { Ticks } from './ticks.ts';
import { UnaryConnection, UnaryMethod } from './unary-connection.ts';

/** See {@link SteadyUnarySpec}. */
export function steadyUnary({ grpcPort, workers, connections, perSecond }: SteadyUnarySpec): Load {
  const fleet = new Fleet(workers, 'cluster');
  const method = new UnaryMethod(SEND_HEARTBEAT);
  const open = Array.from({ length: connections }, () => new UnaryConnection(grpcPort));
  const stats = noStats();
  const idle = Promise.withResolvers<void>();
  let isStopping = false;

  const ticks = new Ticks(perSecond, (number, dueMs) => {
    const worker = number % workers;
    stats.sent++;
    (open[worker % connections] as UnaryConnection).call(method, fleet.next(worker), (isOk) => {
      stats.latenciesMs.push(performance.now() - dueMs);
      if (isOk) stats.acked++;
      else stats.failed++;
      if (isStopping && stats.acked + stats.failed === stats.sent) idle.resolve();
    });
  });

  return {
    stats,
    setRate: (rate) => ticks.setRate(rate),
    async stop() {
      ticks.stop();
      isStopping = true;
      if (stats.acked + stats.failed < stats.sent) await idle.promise;
      for (const connection of open) connection.close();
    },
  };
}
