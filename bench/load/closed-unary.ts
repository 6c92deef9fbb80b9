import { Fleet } from './fleet.ts';
import { type ClosedUnarySpec, type Load, noStats, SEND_HEARTBEAT } from './load.ts';
import { UnaryConnection, UnaryMethod } from './unary-connection.ts';

/** See {@link ClosedUnarySpec}. */
export function closedUnary({ grpcPort, workers, connections }: ClosedUnarySpec): Load {
  const fleet = new Fleet(workers, 'cluster');
  const method = new UnaryMethod(SEND_HEARTBEAT);
  const open = Array.from({ length: connections }, () => new UnaryConnection(grpcPort));
  const stats = noStats();
  const idle = Promise.withResolvers<void>();
  let isStopping = false;

  const send = (worker: number): void => {
    stats.sent++;
    (open[worker % connections] as UnaryConnection).call(method, fleet.next(worker), (isOk) => {
      if (isOk) stats.acked++;
      else stats.failed++;
      if (!isStopping && isOk) send(worker);
      else if (stats.acked + stats.failed === stats.sent) idle.resolve();
    });
  };
  for (let worker = 0; worker < workers; worker++) send(worker);

  return {
    stats,
    async stop() {
      isStopping = true;
      await idle.promise;
      for (const connection of open) connection.close();
    },
  };
}
