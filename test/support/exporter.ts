/** An exporter for Prometheus on a real port, whose answers the test chooses. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestExporter {
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** A text, or what answers in its place. */
  answer: string | ((response: ServerResponse) => void);
  close(): Promise<void>;
}

export async function testExporter(answer: TestExporter['answer']): Promise<TestExporter> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    if (typeof exporter.answer === 'string') response.end(exporter.answer);
    else exporter.answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const exporter: TestExporter = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    requests,
    answer,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return exporter;
}
