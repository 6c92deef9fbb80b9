/** A receiver of remote write that accepts everything and reads nothing of it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerParent } from '../lib/child.ts';

let bytes = 0;

const server = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    // More than any message has: all were written.
    response.writeHead(204, { 'X-Prometheus-Remote-Write-Samples-Written': '1000000000' }).end();
  });
});

const calls = {
  /** @returns its port */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  /** Of all bodies so far. */
  bytes: (): number => bytes,
};
export type WriteReceiverCalls = typeof calls;

answerParent(calls, async () => {
  server.closeAllConnections();
});
