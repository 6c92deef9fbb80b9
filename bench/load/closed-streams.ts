import { Fleet } from './fleet.ts';
import { type ClosedStreamsSpec, type Load, noStats } from './load.ts';
import { StreamConnection } from './stream-connection.ts';

/** See {@link ClosedStreamsSpec}. */
export function closedStreams({ grpcPort, workers, streams, window }: ClosedStreamsSpec): Load {
  const fleet = new Fleet(workers, 'pulselane');
  const stats = noStats();
  let mayHaveSent = window;
  let isStopping = false;

  /** The workers of one stream send in rounds: one heartbeat each, written together. */
  const senders = Array.from({ length: streams }, (_, stream) => {
    const connection = new StreamConnection(grpcPort, () => stats.failed++);
    let rounds = 0;
    const send = (): void => {
      while (!isStopping && rounds < mayHaveSent && !connection.needsDrain) {
        const round: Buffer[] = [];
        for (let worker = stream; worker < workers; worker += streams) round.push(fleet.next(worker));
        connection.write(Buffer.concat(round));
        stats.sent += round.length;
        rounds++;
      }
    };
    connection.onDrain(send);
    send();
    return { connection, send };
  });

  return {
    stats,
    applied(heartbeats) {
      mayHaveSent = heartbeats + window;
      for (const { send } of senders) send();
    },
    async stop() {
      isStopping = true;
      await Promise.all(senders.map(({ connection }) => connection.close()));
    },
  };
}
