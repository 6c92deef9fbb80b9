/** The HTTP thread's end of its port: turns messages into calls of the server, and back. */
import type { Address } from '../config/kinds.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { ReadingParts, ReadingUser } from '../reading/reader-thread.ts';
import { Commands } from './commands.ts';
import { WorkerCalls } from './heartbeats/worker-calls.ts';
import { maxBodyRoomBytes } from './http-limits.ts';
import type { FromHttp, HttpThreadData, ToHttp } from './messages.ts';
import { HttpServer } from './server.ts';

export function serveHttp(
  { directory, post }: ReadingParts<FromHttp>,
  data: HttpThreadData,
  clock: Clock,
): ReadingUser<ToHttp> {
  const commands = new Commands(clock, (id, command) => post({ type: 'command', id, command }));
  const workerCalls = new WorkerCalls(clock, maxBodyRoomBytes(data.limits), (message) =>
    post({ type: 'workerCalls', ...message }, [message.bytes.buffer]),
  );
  const server = new HttpServer({
    ...data,
    history: data.history?.place,
    directory,
    clock,
    command: (command) => commands.run(command),
    relay: (call) => workerCalls.run(call),
    sessionEnded: (ended) => post({ type: 'sessionEnded', ended }),
    log: (level, message) => post({ type: 'log', level, message }),
  });
  return {
    announced: (items) => server.announced(items),
    received(message) {
      switch (message.type) {
        case 'listen':
          return void listen(server, message.address).then((answer) => post(answer));
        case 'secrets':
          return server.setSecrets(message.secrets);
        case 'endedSessions':
          return server.endSessions(message.sessions);
        case 'reply':
          return commands.replied(message.id, message.reply);
        case 'workerAnswers':
          return workerCalls.answered(message);
        default:
          return message satisfies never;
      }
    },
    publish: (figures) => figures.setHttp(server.figures),
    stop: () => server.stop(),
  };
}

async function listen(server: HttpServer, address: Address): Promise<FromHttp> {
  try {
    return { type: 'listening', address: await server.listen(address) };
  } catch (error) {
    return { type: 'listenFailed', message: messageOf(error), code: (error as NodeJS.ErrnoException).code ?? '' };
  }
}
