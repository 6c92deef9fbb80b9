/** Requests whose every header is the test's own: `fetch` sets Host as it likes. */
import { once } from 'node:events';
import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type AskOptions = RequestOptions & {
  readonly body?: string;
  readonly ca?: string;
  cert?: string;
  key?: string;
  servername?: string;
};

export async function ask(url: string, { body, ...options }: AskOptions = {}): Promise<Answer> {
  const call = (url.startsWith('https:') ? tlsRequest : plainRequest)(url, { agent: false, ...options });
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}
