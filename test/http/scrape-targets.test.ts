/** `GET /sd/prometheus`: what it lists, and what it refuses. test/deploy/ has a Prometheus that discovers by it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_WORKERS_INLINE } from '../../src/http/http-limits.ts';
import { hostOf, sanitizedLabelName } from '../../src/http/query/scrape-targets.ts';
import type { WorkerFacts } from '../../src/model/worker-facts.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { newApp } from './support.ts';

interface Target {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

type Served = ReturnType<typeof newApp>;

const NO_FACTS: WorkerFacts = {
  totalCpu: 0,
  totalMemoryGib: 0,
  totalStorageGib: 0,
  totalGpu: 0,
  ip: '',
  labels: {},
  group: '',
  ephemeral: false,
  instanceId: '',
  agentVersion: '',
};

function registerAs({ fleet }: Served, workerId: string, facts: Partial<WorkerFacts>): void {
  fleet.register(workerId);
  fleet.onAnnounce([{ type: 'workerFacts', workerId, facts: { ...NO_FACTS, ...facts } }]);
}

async function listOf({ app }: Served, query = '') {
  const response = await app.request(`/sd/prometheus${query}`);
  expect(response.status).toBe(200);
  return {
    targets: (await response.json()) as Target[],
    contentType: response.headers.get('content-type'),
    withoutAddress: response.headers.get('x-pulselane-without-address'),
  };
}

async function refusalOf({ app }: Served, query: string): Promise<string> {
  const response = await app.request(`/sd/prometheus${query}`);
  expect(response.status).toBe(400);
  return ((await response.json()) as { error: string }).error;
}

describe('the list', () => {
  test('is empty without workers', async () => {
    expect(await listOf(newApp())).toEqual({ targets: [], contentType: 'application/json', withoutAddress: '0' });
  });

  test('has all that a rule may relabel by, and leaves out empty labels', async () => {
    const served = newApp();
    registerAs(served, 'a/"ü', {
      ip: '10.0.0.17',
      group: 'rack',
      agentVersion: '1.2',
      instanceId: 'i',
      labels: { zone: 'a', 'eu-west.1': 'b', eu_west_1: 'c', '': 'd', bare: '' },
    });
    registerAs(served, 'plain', { ip: 'node-7.example' });
    const { targets } = await listOf(served);
    expect(targets).toEqual([
      {
        targets: ['10.0.0.17:9100'],
        labels: {
          __meta_pulselane_worker: 'a/"ü',
          __meta_pulselane_state: 'registered',
          __meta_pulselane_up: '0',
          __meta_pulselane_address: '10.0.0.17',
          __meta_pulselane_group: 'rack',
          __meta_pulselane_agent_version: '1.2',
          __meta_pulselane_instance_id: 'i',
          __meta_pulselane_labelpresent_: 'true',
          __meta_pulselane_label_: 'd',
          __meta_pulselane_labelpresent_bare: 'true',
          __meta_pulselane_labelpresent_eu_west_1: 'true',
          __meta_pulselane_label_eu_west_1: 'b',
          __meta_pulselane_labelpresent_zone: 'true',
          __meta_pulselane_label_zone: 'a',
        },
      },
      {
        targets: ['node-7.example:9100'],
        labels: {
          __meta_pulselane_worker: 'plain',
          __meta_pulselane_state: 'registered',
          __meta_pulselane_up: '0',
          __meta_pulselane_address: 'node-7.example',
        },
      },
    ]);
  });

  test('leaves out workers without an address, and counts those that pass the filters', async () => {
    const served = newApp();
    registerAs(served, 'v6', { ip: '2001:db8::7', group: 'rack' });
    registerAs(served, 'none', { group: 'rack' });
    registerAs(served, 'path', { ip: '10.0.0.1/../metrics', group: 'rack' });
    registerAs(served, 'elsewhere', {});
    served.fleet.register('heartbeats only');
    expect(await listOf(served)).toMatchObject({ targets: [{ targets: ['[2001:db8::7]:9100'] }], withoutAddress: '4' });
    expect(await listOf(served, '?group=rack')).toMatchObject({ withoutAddress: '2' });
  });

  test('is filtered like the list of workers, and takes a port', async () => {
    const served = newApp();
    registerAs(served, 'a', { ip: '10.0.0.1', labels: { zone: 'a' } });
    registerAs(served, 'b', { ip: '10.0.0.2', labels: { zone: 'b' }, group: 'rack' });
    served.fleet.beat('b');
    const addresses = async (query: string) => (await listOf(served, query)).targets.flatMap(({ targets }) => targets);
    expect(await addresses('?port=9400')).toEqual(['10.0.0.1:9400', '10.0.0.2:9400']);
    expect(await addresses('?state=active')).toEqual(['10.0.0.2:9100']);
    expect(await addresses('?group=')).toEqual(['10.0.0.1:9100']);
    expect(await addresses('?label.zone=b')).toEqual(['10.0.0.2:9100']);
    expect(await addresses('?state=inactive')).toEqual([]);
  });

  test('is the same from a thread of the pool', async () => {
    const served = newApp({ rows: MAX_WORKERS_INLINE + 8 });
    registerAs(served, 'first', { ip: '10.0.0.1' });
    const few = await listOf(served);
    for (let i = 0; i < MAX_WORKERS_INLINE; i++) served.fleet.register(`w${i}`);
    try {
      const many = await listOf(served);
      expect(many).toEqual({ ...few, withoutAddress: String(MAX_WORKERS_INLINE) });
      const zipped = await served.app.request('/sd/prometheus', { headers: { 'accept-encoding': 'gzip' } });
      expect(zipped.headers.get('content-encoding')).toBe(null);
    } finally {
      await served.queries.stop();
    }
  });
});

describe('a wrong parameter', () => {
  test.each([
    ['?port=0', 'port: expected a whole number from 1 to 65535'],
    ['?port=http', 'port: expected a whole number from 1 to 65535'],
    ['?port=1&port=2', 'port: given more than once'],
    ['?state=dead', 'state: unknown value "dead"'],
    [
      '?groups=a',
      'groups: unknown query parameter; expected one of state, group, isolation, prefix, port, label.<name>',
    ],
    ['?fields=state', 'fields: unknown query parameter'],
    ['?group=%ff', 'the query must be valid percent-encoded UTF-8'],
  ])('%s is named, with what was expected', async (query, error) => {
    expect(await refusalOf(newApp(), query)).toContain(error);
  });
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::1', '[::1]'],
  ['::ffff:10.0.0.1', '[::ffff:10.0.0.1]'],
  ['node_1.rack-2.example.', 'node_1.rack-2.example.'],
  ['fe80::1%eth0', undefined],
  ['', undefined],
  ['10.0.0.1:9100', undefined],
  ['user@host', undefined],
  ['a b', undefined],
  ['-a', undefined],
  ['a..b', undefined],
  ['a\n', undefined],
  [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`],
  ['a'.repeat(64), undefined],
])('the host of a worker that tells %j is %j', (address, host) => expect(hostOf(address)).toBe(host));

test('any text of a worker gives label names that Prometheus takes', () => {
  fc.assert(
    fc.property(fc.string({ unit: ANY_CHARACTER, maxLength: 20 }), (name) => {
      const plain = sanitizedLabelName(name);
      return /^[a-zA-Z0-9_]*$/.test(plain) && plain.length === [...name].length;
    }),
  );
});
