import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { portTakenText } from '../../src/lib/local-ports.ts';

const ephemeral = [32_768, 60_999] as const;

test('a port that is taken while nobody listens on it is told to be an outgoing connection’s, and how to keep it free', () => {
  expect(portTakenText(8080, { isListenedOn: false, ephemeral })).toBe('the port is in use');
  for (const port of [32_768, 50_051, 60_999]) {
    expect(portTakenText(port, { isListenedOn: true, ephemeral })).toBe('the port is in use');
    expect(portTakenText(port, { isListenedOn: false, ephemeral })).toContain(
      `in use by an outgoing connection: it is in the system’s range for those (32768 to 60999)`,
    );
  }
});

test('who listens and who connects is read from the system', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket: Socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  expect(portTakenText(port)).toBe('the port is in use');
  expect(portTakenText(socket.localPort as number)).toContain('outgoing connection');
  socket.destroy();
  server.close();
});
