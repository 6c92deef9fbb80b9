/** A webhook that notes when each alert came to its socket. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerParent } from '../lib/child.ts';
import { monotonicMs } from '../lib/time.ts';

/** By the worker that the alert is about. */
const firstMs = new Map<string, number>();

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  const cameMs = monotonicMs();
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      readonly alerts: readonly { readonly status: string; readonly labels: Readonly<Record<string, string>> }[];
    };
    for (const { status, labels } of body.alerts) {
      const worker = labels.worker ?? '';
      if (status === 'firing' && !firstMs.has(worker)) firstMs.set(worker, cameMs);
    }
    response.writeHead(200).end();
  });
});

const calls = {
  /** @returns its port */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  /** When the first request with a firing alert of the worker came, by the monotonic clock of the machine; undefined: none yet. */
  firing: (worker: string): number | undefined => firstMs.get(worker),
};
export type AlertReceiverCalls = typeof calls;

answerParent(calls, async () => {
  server.closeAllConnections();
});
