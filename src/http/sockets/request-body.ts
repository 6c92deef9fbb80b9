/** Bodies of requests: none is large, and none is read further than it may be. */
import type { IncomingMessage } from 'node:http';

type Incoming = Partial<IncomingMessage> & { rawBody?: Buffer };

/** `too large`: of more than so many bytes; then no more than these were read, or none where its length was told. */
export type BodyOutcome = 'whole' | 'too large' | 'broken';

/**
 * Reads the body of a request for whoever wants it: node-server takes `rawBody` for it.
 * @returns undefined if there is none.
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
