/** METRICS_LABELS: labels that a worker can have. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { labelNames } from '../../src/config/kinds.ts';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { globMatcher } from '../../src/lib/globs.ts';
import { infoLabels } from '../../src/metrics/workers/info-labels.ts';
import { fittedInfo } from '../../src/model/worker-info.ts';

/** Whether the master keeps such a label of a registration. */
function canHave(name: string): boolean {
  const { info } = fittedInfo(create(WorkerInfoSchema, { workerId: 'a', labels: { [name]: 'x' } }));
  return Object.hasOwn(info.labels, name);
}

describe('METRICS_LABELS', () => {
  it('takes names and globs, or none', () => {
    expect(labelNames.parse('zone, rack-* ,k8s.io/role')).toEqual(['zone', 'rack-*', 'k8s.io/role']);
    expect(labelNames.parse('')).toEqual([]);
  });

  it.each(['x'.repeat(321), 'tab\there'])('refuses a label that no worker can have (%#)', (name) => {
    expect(canHave(name)).toBe(false);
    expect(() => labelNames.parse(`zone,${name}`)).toThrow(/names of labels that a worker can have/);
  });

  it('takes the longest that a worker can have', () => {
    const name = 'x'.repeat(320);
    expect(canHave(name)).toBe(true);
    expect(labelNames.parse(name)).toEqual([name]);
  });

  it.each(['worker', 'version', 'host', 'group', 'instance_id', '__name__'])(
    'refuses %s, which the master gives',
    (name) => {
      expect(() => labelNames.parse(name)).toThrow(`"${name}" is one that the master itself gives`);
      expect(infoLabels('a', { labels: { [name]: 'theirs' } } as never, () => true)).toEqual([['worker', 'a']]);
    },
  );

  it('lets through what it names', () => {
    const facts = { ip: '192.0.2.1', labels: { zone: 'a', 'rack-1': 'b', rack: 'c', empty: '' }, group: 'g' } as never;
    expect(infoLabels('a', facts, globMatcher(['zone', 'rack-*', 'empty']))).toEqual([
      ['worker', 'a'],
      ['host', '192.0.2.1'],
      ['group', 'g'],
      ['rack-1', 'b'],
      ['zone', 'a'],
    ]);
  });
});
