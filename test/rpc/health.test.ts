import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { HealthService } from '../../src/rpc/health.ts';

test('a watch that is not read has one message under way, keeps its place, and is told the newest in the end', async () => {
  const written: string[] = [];
  let taken = () => {};
  const call = Object.assign(
    new Writable({
      objectMode: true,
      write({ status }: { status: string }, _encoding, onTaken) {
        written.push(status);
        taken = onTaken;
      },
    }),
    { request: { service: '' }, getPeer: () => '127.0.0.1:1' },
  );
  const peer = { watches: 0 };
  const service = new HealthService({ names: [''], peers: { of: () => peer } as never, refusals: {} as never });
  (service.implementation.Watch as (watch: unknown) => void)(call);
  for (let i = 0; i < 101; i++) service.set(i % 2 === 0 ? 'NOT_SERVING' : 'SERVING');
  expect([written, call.writableLength, call.destroyed, service.watches]).toEqual([['SERVING'], 1, false, 1]);
  const next = async () => {
    taken();
    await new Promise(setImmediate);
    return written;
  };
  expect(await next()).toEqual(['SERVING', 'NOT_SERVING']);
  expect(await next()).toEqual(['SERVING', 'NOT_SERVING']);
  call.destroy();
  await new Promise(setImmediate);
  expect([service.watches, peer.watches]).toEqual([0, 0]);
});
