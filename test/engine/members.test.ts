import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { Members } from '../../src/engine/persistence/members.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { MAX_INSTANCES } from '../../src/model/instances.ts';
import { FakeClock } from '../support/fake-clock.ts';

function newMembers(mode: 'open' | 'approved' = 'open') {
  const clock = new FakeClock();
  const members = new Members({ mode, maxPending: 2, clock });
  const changed: string[] = [];
  members.onChange((workerId) => changed.push(workerId));
  return { members, clock, changed };
}

const infoOf = (group: string) =>
  create(WorkerInfoSchema, { workerId: 'a', group, labels: { zone: 'x' }, totalCpu: Number.NaN });

test('a change is reported once, and an unchanged value is not', () => {
  const { members, changed } = newMembers();
  for (let i = 0; i < 2; i++) {
    members.join('a');
    members.describe('a', infoOf('rack-1'));
    members.setInstances('a', ['2', '1']);
    members.setAddress('a', '10.0.0.5:6000');
    members.approve('a');
  }
  expect(changed).toEqual(['a', 'a', 'a', 'a', 'a']);
  expect(members.get('a')).toEqual({
    workerId: 'a',
    approved: true,
    address: '10.0.0.5:6000',
    known: true,
    instanceIds: ['2', '1'],
    info: infoOf('rack-1'),
  });
  members.describe('a', infoOf('rack-2'));
  members.setInstances('a', ['3', '2', '1']);
  expect(members.forget('a')).toBe(true);
  expect(members.forget('a')).toBe(false);
  members.expire('a');
  expect(changed).toHaveLength(8);
  expect(members.size).toBe(0);
});

test('only the newest instances of a worker are kept', () => {
  const { members } = newMembers();
  members.setInstances(
    'a',
    Array.from({ length: 20 }, (_, index) => String(index)),
  );
  expect(members.get('a')?.instanceIds).toHaveLength(MAX_INSTANCES);
  expect(members.get('a')?.instanceIds[0]).toBe('0');
});

test('of an expired worker only what an operator set is kept', () => {
  const { members, changed } = newMembers();
  for (const id of ['plain', 'approved', 'addressed', 'isolated']) {
    members.join(id);
    members.describe(id, infoOf('rack-1'));
    members.setInstances(id, ['1']);
  }
  members.approve('approved');
  members.setAddress('addressed', '10.0.0.5:6000');
  expect(members.setIsolation('plain', 'shared')).toBe(true);
  expect(members.setIsolation('plain', 'auto')).toBe(true);
  expect(members.setIsolation('isolated', 'dedicated')).toBe(true);
  expect(members.setIsolation('isolated', 'dedicated')).toBe(false);
  changed.length = 0;
  const ids = ['plain', 'approved', 'addressed', 'isolated'];
  for (const id of [...ids, 'plain', 'approved', 'isolated', 'never seen']) members.expire(id);
  expect(changed).toEqual(ids);
  const rest = { known: false, instanceIds: [], info: undefined };
  expect(members.all()).toEqual([
    { workerId: 'approved', approved: true, address: undefined, ...rest },
    { workerId: 'addressed', approved: false, address: '10.0.0.5:6000', ...rest },
    { workerId: 'isolated', approved: false, address: undefined, isolation: 'dedicated', ...rest },
  ]);
});

test('the pending list is limited: the least recent worker is dropped', () => {
  const { members, clock } = newMembers('approved');
  members.turnAway('a');
  members.turnAway('b');
  clock.advance(1000);
  members.turnAway('a');
  members.turnAway('c');
  expect(members.pending().map(({ workerId, attempts }) => [workerId, attempts])).toEqual([
    ['a', 2],
    ['c', 1],
  ]);
  members.approve('c');
  expect(members.pending().map(({ workerId }) => workerId)).toEqual(['a']);
});
