import { Fleet } from './fleet.ts';
import { type ClosedStreamsSpec, type Load, noStats } from './load.ts';
import { StreamConnection } from './stream-connection.ts';

/** See {@link ClosedStreamsSpec}. */
export function closedStreams({ grpcPort, workers, streams, window }: ClosedStreamsSpec): Load {
  const fleet = new Fleet(workers, 'pulselane');
  const stats = noStats();
  const sent = new Uint32Array(workers);
  let applied = new Uint32Array(workers);
  let isStopping = false;

  /** One heartbeat of each worker of the stream that may send now. */
  const nextRound = (stream: number): Buffer[] => {
    const round: Buffer[] = [];
    for (let worker = stream; worker < workers; worker += streams) {
      const underWay = (sent[worker] as number) - (applied[worker] as number);
      if (underWay >= window) continue;
      round.push(fleet.next(worker));
      sent[worker] = (sent[worker] as number) + 1;
    }
    return round;
  };

  /** The workers of one stream send in rounds, each round in one write. */
  const senders = Array.from({ length: streams }, (_, stream) => {
    const connection = new StreamConnection(grpcPort, () => stats.failed++);
    const send = (): void => {
      while (!isStopping && !connection.needsDrain) {
        const round = nextRound(stream);
        if (round.length === 0) return;
        connection.write(Buffer.concat(round));
        stats.sent += round.length;
      }
    };
    connection.onDrain(send);
    send();
    return { connection, send };
  });

  return {
    stats,
    applied(ofWorkers) {
      applied = ofWorkers as Uint32Array<ArrayBuffer>;
      for (const { send } of senders) send();
    },
    async stop() {
      isStopping = true;
      await Promise.all(senders.map(({ connection }) => connection.close()));
    },
  };
}
