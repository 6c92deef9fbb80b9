/** The table of limits is whole, and what it says is done. */
import { Server } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import { CALL_LIMITS } from '../../src/config/call-limits.ts';
import { masterOptions } from '../../src/config/options.ts';
import { REFUSAL_REASONS as RPC_REASONS } from '../../src/engine/refusals.ts';
import { MasterWorker } from '../../src/gen/cluster/master_worker_pb.ts';
import { TelemetryService } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { HTTP_REFUSAL_REASONS as HTTP_REASONS } from '../../src/model/http-figures.ts';
import { startRpc } from '../support/rpc-server.ts';

const rows = new Map(CALL_LIMITS.map(({ call, bounds }) => [call, bounds]));

afterEach(() => {
  vi.restoreAllMocks();
});

test('each RPC has a row: what the services define, and what the server serves', async () => {
  const register = vi.spyOn(Server.prototype, 'register');
  const rpc = await startRpc();
  await rpc.stop();
  const served = register.mock.calls.map(([path]) => path);
  expect(served).toContain('/grpc.health.v1.Health/Watch');
  const defined = [MasterWorker, TelemetryService].flatMap((service) =>
    service.methods.map(({ name }) => `/${service.typeName}/${name}`),
  );
  expect([...served, ...defined].filter((path) => !rows.has(path))).toEqual([]);
  const known = new Set([...served, ...defined, '/*']);
  expect([...rows.keys()].filter((call) => call.startsWith('/') && !known.has(call))).toEqual([]);
});

test('each row says how large, how often and how many at a time, by settings and reasons that there are', () => {
  const settings = new Set<string>(Object.values(masterOptions).map(({ env }) => env));
  expect(rows.size).toBe(CALL_LIMITS.length);
  for (const { call, bounds } of CALL_LIMITS) {
    const kinds = new Set(bounds.map(({ what }) => what));
    expect(
      ['size', 'rate', 'atATime'].filter((kind) => !kinds.has(kind as never)),
      call,
    ).toEqual([]);
    const reasons: readonly string[] = call.startsWith('/') ? RPC_REASONS : HTTP_REASONS;
    for (const { limit, reason } of bounds) {
      if (typeof limit === 'string') expect(settings, call).toContain(limit);
      if (reason !== undefined) expect(reasons, call).toContain(reason);
    }
  }
});
