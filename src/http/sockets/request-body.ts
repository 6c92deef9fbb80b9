/** Reads request bodies, up to a small limit. */
import type { IncomingMessage } from 'node:http';

type Incoming = Partial<IncomingMessage> & { rawBody?: Buffer };

/** `too large`: at most the allowed bytes were read, or none if Content-Length already exceeded the limit. */
export type BodyOutcome = 'whole' | 'too large' | 'broken';

/**
 * Reads the body of a request into `rawBody`, where node-server finds it.
 * @returns undefined if there is no body
 */
export function readBounded(incoming: Incoming, maxBytes: number): Promise<BodyOutcome> | undefined {
  const { headers } = incoming;
  if (headers === undefined) return undefined;
  const length = headers['content-length'];
  const isChunked = headers['transfer-encoding'] !== undefined;
  if (!isChunked && (length === undefined || length === '0')) return undefined;
  if (!isChunked && Number(length) > maxBytes) return Promise.resolve('too large');
  return collect(incoming as IncomingMessage & Incoming, maxBytes);
}

function collect(incoming: IncomingMessage & Incoming, maxBytes: number): Promise<BodyOutcome> {
  const { promise, resolve } = Promise.withResolvers<BodyOutcome>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes <= maxBytes) return;
    stop();
    incoming.pause();
    resolve('too large');
  };
  const onEnd = () => {
    stop();
    incoming.rawBody = Buffer.concat(chunks);
    resolve('whole');
  };
  const onBroken = () => {
    stop();
    resolve('broken');
  };
  const stop = () => {
    incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
  };
  incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  return promise;
}
