import { Fleet } from './fleet.ts';
import { type FreshUnarySpec, type Load, noStats, SEND_HEARTBEAT } from './load.ts';
import { UnaryConnection, UnaryMethod } from './unary-connection.ts';

/** See {@link FreshUnarySpec}. */
export function freshUnary({ grpcPort, workers, atOnce }: FreshUnarySpec): Load {
  const fleet = new Fleet(workers, 'cluster');
  const method = new UnaryMethod(SEND_HEARTBEAT);
  const stats = noStats();
  let isStopping = false;
  let next = 0;

  /** Like workers of the earlier Go system: connect, wait for the server's first bytes, call, disconnect. */
  const sendOne = async (): Promise<void> => {
    const connection = new UnaryConnection(grpcPort);
    const worker = next++ % workers;
    stats.sent++;
    const isOk = await connection.ready.then(
      () => new Promise<boolean>((resolve) => connection.call(method, fleet.next(worker), resolve)),
      () => false,
    );
    connection.close();
    if (isOk) stats.acked++;
    else stats.failed++;
  };
  const sendInTurn = async (): Promise<void> => {
    while (!isStopping && stats.failed === 0) await sendOne();
  };
  const senders = Array.from({ length: atOnce }, sendInTurn);

  return {
    stats,
    async stop() {
      isStopping = true;
      await Promise.all(senders);
    },
  };
}
