/**
 * Encodes events of the master as `ExportLogsServiceRequest`: one log record each, under the resource of the worker or of the master. Field numbers:
 * opentelemetry/proto/logs/v1 of opentelemetry-proto 1.x, which never change.
 *
 * | field of a record          | holds                                                                             |
 * |----------------------------|-----------------------------------------------------------------------------------|
 * | `time_unix_nano`           | when it happened                                                                  |
 * | `observed_time_unix_nano`  | the same: the master saw it happen                                                |
 * | `event_name`               | `pulselane.` and the type of the event, such as `pulselane.state`                 |
 * | `severity_number`, `_text` | WARN for what needs attention, ERROR for a fault of the master, else INFO         |
 * | `body`                     | the line that the master logs                                                     |
 * | `attributes`               | `pulselane.event.id`, `pulselane.worker.id`, `pulselane.group`, `pulselane.from`, `pulselane.to`, `pulselane.cause`, `pulselane.alert.id`, `.rule`, `.severity` and `.closed_because`, where there are any |
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { shortText } from '../../../lib/foreign-text.ts';
import { eventText, isWarning } from '../../../model/event-text.ts';
import type { WorkerEvent } from '../../../model/events.ts';
import { MAX_BODY_LENGTH } from './otlp-limits.ts';
import {
  type AttributeValue,
  bytesOf,
  ITEMS,
  RESOURCE_ITEMS,
  SCOPE_ITEMS,
  unixNanos,
  writeAnyValue,
  writeAttribute,
} from './wire.ts';

/** Of `SeverityNumber`. */
const SEVERITIES = { INFO: 9, WARN: 13, ERROR: 17 } as const;
export type Severity = keyof typeof SEVERITIES;

export function severityOf(event: WorkerEvent): Severity {
  if (event.type === 'fault') return 'ERROR';
  return isWarning(event) ? 'WARN' : 'INFO';
}

const TIME = 1;
const SEVERITY_NUMBER = 2;
const SEVERITY_TEXT = 3;
const BODY = 5;
const ATTRIBUTES = 6;
const OBSERVED_TIME = 11;
const EVENT_NAME = 12;

/** @param resourceOf, scope, schemaUrl whole fields, see wire.ts; `resourceOf(undefined)` is the master's */
export function encodeLogs(
  events: readonly WorkerEvent[],
  resourceOf: (workerId: string | undefined) => Buffer,
  scope: Buffer,
  schemaUrl: Buffer,
): Buffer {
  const writer = new BinaryWriter();
  for (const [workerId, own] of Map.groupBy(events, (event) => event.workerId)) {
    writer.tag(RESOURCE_ITEMS, WireType.LengthDelimited).fork().raw(resourceOf(workerId));
    writer.tag(SCOPE_ITEMS, WireType.LengthDelimited).fork().raw(scope);
    for (const event of own) {
      writer.tag(ITEMS, WireType.LengthDelimited).fork();
      writeRecord(writer, event);
      writer.join();
    }
    writer.raw(schemaUrl).join().raw(schemaUrl).join();
  }
  return bytesOf(writer);
}

function writeRecord(writer: BinaryWriter, event: WorkerEvent): void {
  const severity = severityOf(event);
  const atNanos = unixNanos(event.atUnixMs);
  writer.tag(TIME, WireType.Bit64).fixed64(atNanos);
  writer.tag(SEVERITY_NUMBER, WireType.Varint).int32(SEVERITIES[severity]);
  writer.tag(SEVERITY_TEXT, WireType.LengthDelimited).string(severity);
  writer.tag(BODY, WireType.LengthDelimited).fork();
  writeAnyValue(writer, shortText(eventText(event), MAX_BODY_LENGTH));
  writer.join();
  for (const [key, value] of attributesOf(event)) writeAttribute(writer, ATTRIBUTES, key, value);
  writer.tag(OBSERVED_TIME, WireType.Bit64).fixed64(atNanos);
  writer.tag(EVENT_NAME, WireType.LengthDelimited).string(`pulselane.${event.type}`);
}

function attributesOf(event: WorkerEvent): [string, AttributeValue][] {
  const { id, workerId, group, from, to, cause, stepMs, alertId, rule, severity, closedBecause } = event;
  const all: [string, AttributeValue | undefined][] = [
    ['pulselane.event.id', id],
    ['pulselane.worker.id', workerId],
    ['pulselane.group', group],
    ['pulselane.from', from],
    ['pulselane.to', to],
    ['pulselane.cause', cause],
    ['pulselane.alert.id', alertId],
    ['pulselane.alert.rule', rule],
    ['pulselane.alert.severity', severity],
    ['pulselane.alert.closed_because', closedBecause],
    ['pulselane.step_ms', stepMs === undefined ? undefined : Math.round(stepMs)],
  ];
  return all.filter((pair): pair is [string, AttributeValue] => pair[1] !== undefined);
}
