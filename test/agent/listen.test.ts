import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { methodOf } from '../../src/agent/sender/channel.ts';
import {
  HeartbeatSchema,
  type MasterInfo,
  MasterInfoSchema,
  MasterWorker,
  type RegisterAck,
} from '../../src/gen/cluster/master_worker_pb.ts';
import { LoopUnderTest } from '../support/agent-bench.ts';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

const MASTER_REGISTER = methodOf<MasterInfo, RegisterAck>(MasterWorker, 'MasterRegister');

let master: FakeMaster;
let other: FakeMaster;
let loop: LoopUnderTest;
let client: Client;

beforeEach(async () => {
  master = await FakeMaster.start();
  other = await FakeMaster.start();
});

afterEach(async () => {
  client.close();
  await loop.stop();
  master.close();
  other.close();
});

async function listenWith(given: { master?: string | string[] }): Promise<void> {
  loop = LoopUnderTest.fake({ workerId: 'worker-1', listen: '127.0.0.1:0', ...given });
  const { listening } = await eventually(() => loop.of('ready')[0]);
  client = new Client(listening as string, credentials.createInsecure());
}

function tell(masterAddress: string): Promise<RegisterAck> {
  const { path, requestSerialize, responseDeserialize } = MASTER_REGISTER;
  const request = create(MasterInfoSchema, { masterId: 'master', masterAddress });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), {}, (error, ack) => {
      if (error === null) resolve(ack as RegisterAck);
      else reject(error);
    });
  });
}

describe('an agent that listens', () => {
  test('sends nothing until a master points it at itself', async () => {
    await listenWith({});
    loop.clock.advance(60_000);
    expect(await tell(master.address)).toMatchObject({
      success: true,
      message: `worker-1 reports to ${master.address}`,
    });
    await eventually(() => master.heartbeats.length > 0);
    expect(loop.of('master')).toEqual([{ type: 'master', master: master.address }]);
  });

  test('takes the same address again without a new connection', async () => {
    await listenWith({});
    await tell(master.address);
    await eventually(() => master.heartbeats.length > 0);
    expect((await tell(master.address)).success).toBe(true);
    loop.clock.advance(5_000);
    await eventually(() => master.heartbeats.length > 1);
    expect(master.streamsOpened).toBe(1);
  });

  test('switches to another master that registers it', async () => {
    await listenWith({});
    await tell(master.address);
    await eventually(() => master.heartbeats.length > 0);
    expect((await tell(other.address)).success).toBe(true);
    await eventually(() => other.heartbeats.length > 0);
    await eventually(() => master.openStreams === 0);
  });

  test('refuses another master when it was started with one, and names it', async () => {
    await listenWith({ master: master.address });
    await eventually(() => master.heartbeats.length > 0);
    const refused = await tell(other.address);
    expect(refused.success).toBe(false);
    expect(refused.message).toContain(master.address);
    expect((await tell(master.address)).success).toBe(true);
    expect(other.registrations).toHaveLength(0);
  });

  test('refuses another master when it was started with several, and names them', async () => {
    const third = await FakeMaster.start();
    await listenWith({ master: [master.address, other.address] });
    await eventually(() => master.heartbeats.length > 0);
    const refused = await tell(third.address);
    expect(refused.success).toBe(false);
    expect(refused.message).toContain(`--master ${master.address},${other.address} `);
    expect((await tell(master.address)).success).toBe(true);
    expect(third.registrations).toHaveLength(0);
    third.close();
  });

  test('stays where it reports when another one of its list calls: both would call in turn for ever', async () => {
    await listenWith({ master: [master.address, other.address] });
    await eventually(() => master.heartbeats.length > 0);
    const refused = await tell(other.address);
    expect(refused).toMatchObject({
      success: false,
      message: `worker-1 reports to ${master.address} now; ${other.address} is on its list, and tried in its turn`,
    });
    loop.clock.advance(5_000);
    await eventually(() => master.heartbeats.length > 1);
    expect(other.registrations).toHaveLength(0);
  });

  test('leaves a master that takes a later instance alone for 60 s, though it calls', async () => {
    master.registerStatus = status.FAILED_PRECONDITION;
    await listenWith({});
    await tell(master.address);
    await loop.lineWith('another instance of worker-1');
    await tell(other.address);
    await eventually(() => other.heartbeats.length === 1);
    await tell(master.address);
    await eventually(() => other.openStreams === 0);
    loop.clock.advance(59_999);
    await tell(master.address);
    expect(loop.meter.tries).toBe(2);
    loop.clock.advance(1);
    await eventually(() => master.registrations.length === 2);
  });

  test.each(['', 'nonsense', '10.0.0.5', '10.0.0.5:0', ':50051', '10.0.0.5:99999'])(
    'refuses the address %j',
    async (address) => {
      await listenWith({});
      const refused = await tell(address);
      expect(refused.success).toBe(false);
      expect(refused.message).toContain('master_address');
    },
  );

  test('takes no request that is larger than a name and an address', async () => {
    await listenWith({});
    await expect(tell('x'.repeat(5000))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await tell(master.address)).toMatchObject({ success: true });
  });

  test('answers UNIMPLEMENTED to what is not its part', async () => {
    await listenWith({});
    const { path, requestSerialize, responseDeserialize } = methodOf(MasterWorker, 'SendHeartbeat');
    const error = await new Promise<{ code?: number } | null>((resolve) => {
      const request = create(HeartbeatSchema);
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), {}, resolve);
    });
    expect(error?.code).toBe(status.UNIMPLEMENTED);
  });
});

test('a port that is taken is told by name', async () => {
  await listenWith({});
  const [first] = loop.of('ready');
  const second = LoopUnderTest.fake({ workerId: 'worker-2', listen: first?.listening as string });
  const failed = await eventually(() => second.of('failed')[0]);
  expect(failed).toMatchObject({ code: 'environment' });
  expect(failed.message).toBe(`listen=${first?.listening}: the port is in use`);
  await second.stop();
});
