/**
 * Who a metric or a log record is about, as attributes of a resource. The same for as long as the worker keeps its registration:
 * many receivers make a new series of every change, so what changes with each start of a process (its instance id) is left out.
 *
 * | attribute                       | of a worker                                      | of the master            |
 * |---------------------------------|--------------------------------------------------|--------------------------|
 * | `service.name`                  | `pulselane-worker`                               | `pulselane-master`       |
 * | `service.instance.id`           | its id                                           | host name and gRPC port  |
 * | `service.version`               | version of its agent, if told                    | version of Pulselane     |
 * | `host.name`                     | its id                                           | host name                |
 * | `host.id`                       | its id                                           | –                        |
 * | `process.runtime.name`, `…version` | –                                             | Node's                   |
 * | `host.ip`                       | the address that it registered with, if any      | –                        |
 * | `pulselane.group`               | its group, if any                                | –                        |
 * | `<label>`, `pulselane.label.<label>` | its own labels as far as METRICS_LABELS allows them: one with a dot, such as `k8s.node.name`, under its own name | – |
 *
 * No label of a worker is taken for `service.*` or `pulselane.*`: a worker could report as another one.
 *
 * Attributes of the settings come first, then a worker's labels with a dot, then ours: of two with one key the first counts.
 */
import type { Label } from '../../family.ts';
import type { AttributeValue } from './wire.ts';

export type ResourceAttributes = ReadonlyMap<string, AttributeValue>;

/** @param info labels of the worker's info series, see info-labels.ts; undefined: they are not known */
export function workerResource(
  workerId: string,
  info: readonly Label[] | undefined,
  configured: Readonly<Record<string, string>>,
): ResourceAttributes {
  const known = new Map<string, string>();
  const dotted: Label[] = [];
  const plain: Label[] = [];
  for (const [name, value] of info ?? []) {
    if (OF_INFO.has(name)) known.set(name, value);
    else if (name.includes('.') && !/^(service|pulselane)\./.test(name)) dotted.push([name, value]);
    else plain.push([`pulselane.label.${name}`, value]);
  }
  const version = known.get('version');
  const ip = known.get('host');
  const group = known.get('group');
  return firstOfEach([
    ...Object.entries(configured),
    ...dotted,
    ['service.name', 'pulselane-worker'],
    ['service.instance.id', workerId],
    ...(version === undefined ? [] : [['service.version', version] as const]),
    ['host.name', workerId],
    ['host.id', workerId],
    ...(ip === undefined ? [] : [['host.ip', [ip]] as const]),
    ...(group === undefined ? [] : [['pulselane.group', group] as const]),
    ...plain,
  ]);
}

const OF_INFO: ReadonlySet<string> = new Set(['worker', 'version', 'host', 'group', 'instance_id']);

export function masterResource(
  instance: string,
  hostName: string,
  version: string,
  configured: Readonly<Record<string, string>>,
): ResourceAttributes {
  return firstOfEach([
    ...Object.entries(configured),
    ['service.name', 'pulselane-master'],
    ['service.instance.id', instance],
    ['service.version', version],
    ['host.name', hostName],
    ['process.runtime.name', 'nodejs'],
    ['process.runtime.version', process.versions.node],
  ]);
}

function firstOfEach(attributes: readonly (readonly [string, AttributeValue])[]): ResourceAttributes {
  const first = new Map<string, AttributeValue>();
  for (const [key, value] of attributes) if (!first.has(key)) first.set(key, value);
  return first;
}
