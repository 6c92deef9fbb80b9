/** The http thread's end of its port: turns messages into calls of the server, and what it says into messages. */
import type { Address } from '../config/kinds.ts';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Port } from '../lib/ports.ts';
import { Commands } from './commands.ts';
import type { FromHttp, HttpThreadData, ToHttp } from './messages.ts';
import { HttpServer } from './server.ts';

export function serveOverPort(port: Port<ToHttp, FromHttp>, data: HttpThreadData, clock: Clock): void {
  const commands = new Commands(clock, (id, command) => port.postMessage({ type: 'command', id, command }));
  const server = new HttpServer({
    ...data,
    clock,
    command: (command) => commands.run(command),
    sessionEnded: (ended) => port.postMessage({ type: 'sessionEnded', ended }),
    log: (level, message) => port.postMessage({ type: 'log', level, message }),
  });
  port.onMessage((message) => {
    switch (message.type) {
      case 'announcements':
        return server.apply(message.items);
      case 'listen':
        return void listen(server, message.address).then((answer) => port.postMessage(answer));
      case 'secrets':
        return server.setSecrets(message.secrets);
      case 'endedSessions':
        return server.endSessions(message.sessions);
      case 'reply':
        return commands.replied(message.id, message.reply);
      case 'ping':
        return port.postMessage({ type: 'pong' });
      case 'stop':
        return void server.stop().then(() => port.postMessage({ type: 'stopped' }));
      default:
        return message satisfies never;
    }
  });
}

async function listen(server: HttpServer, address: Address): Promise<FromHttp> {
  try {
    return { type: 'listening', address: await server.listen(address) };
  } catch (error) {
    return { type: 'listenFailed', message: messageOf(error), code: (error as NodeJS.ErrnoException).code ?? '' };
  }
}
