/**
 * Reads an `ExportMetricsServiceRequest` of JSON, which has names in camelCase, enums as integers, 64-bit integers as decimal strings or numbers,
 * and unknown members that are ignored: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
import { messageOf } from '../../lib/errors.ts';
import { kindOf } from '../../lib/kind-of.ts';
import { countOf, OPENING_BRACE } from '../bytes.ts';
import {
  type Attribute,
  BadRequest,
  type MetricKind,
  type MetricsRequest,
  NO_RECORDED_VALUE,
  ReadBudget,
  type ReceivedMetric,
  type ReceivedPoint,
  TEMPORALITIES,
  TooManyParts,
} from './metrics-request.ts';
import { MAX_PARTS } from './otlp-limits.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const KINDS = {
  gauge: 'gauge',
  sum: 'sum',
  histogram: 'histogram',
  exponentialHistogram: 'exponential_histogram',
  summary: 'summary',
} as const satisfies Record<string, MetricKind>;

/** @throws BadRequest naming the member that is wrong, TooManyParts */
export function readJsonRequest(body: Buffer): MetricsRequest {
  const metrics: ReceivedMetric[] = [];
  const budget = new ReadBudget();
  if (countOf(OPENING_BRACE, body) > MAX_OBJECTS) throw new TooManyParts();
  const request = objectOf(parsed(body), '');
  for (const [resourceMetrics, resourcePath] of objectsIn(request, 'resourceMetrics', '', budget)) {
    for (const [scopeMetrics, scopePath] of objectsIn(resourceMetrics, 'scopeMetrics', resourcePath, budget)) {
      for (const [metric, path] of objectsIn(scopeMetrics, 'metrics', scopePath, budget)) {
        metrics.push(readMetric(metric, path, budget));
      }
    }
  }
  return { metrics, pointsNotRead: budget.pointsNotRead };
}

/** Of as many parts as may be read: the most are attributes, of which each has two objects. */
const MAX_OBJECTS = 3 * MAX_PARTS;

function parsed(body: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new BadRequest('', 'it is not valid UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BadRequest('', `it is not JSON: ${messageOf(error)}`);
  }
}

function readMetric(metric: JsonObject, path: string, budget: ReadBudget): ReceivedMetric {
  const name = stringOf(metric.name ?? '', `${path}.name`);
  const member = (Object.keys(KINDS) as (keyof typeof KINDS)[]).find((key) => isSet(metric[key]));
  if (member === undefined) return { name, kind: undefined, temporality: 'unspecified', points: [] };
  const data = objectOf(metric[member], `${path}.${member}`);
  const temporality = integerOf(data.aggregationTemporality ?? 0, `${path}.${member}.aggregationTemporality`);
  const points: ReceivedPoint[] = [];
  for (const [point, pointPath] of objectsIn(data, 'dataPoints', `${path}.${member}`, budget)) {
    if (budget.takePoint()) points.push(readPoint(point, pointPath, KINDS[member], budget));
  }
  return { name, kind: KINDS[member], temporality: TEMPORALITIES[temporality] ?? 'unspecified', points };
}

function readPoint(point: JsonObject, path: string, kind: MetricKind, budget: ReadBudget): ReceivedPoint {
  const attributes = objectsIn(point, 'attributes', path, budget).map(([attribute, at]) =>
    readAttribute(attribute, at),
  );
  const ended = (integerOf(point.flags ?? 0, `${path}.flags`) & NO_RECORDED_VALUE) !== 0;
  const number = (member: string): number | undefined => {
    const value = point[member];
    return isSet(value) ? numberOf(value, `${path}.${member}`) : undefined;
  };
  if (kind === 'gauge' || kind === 'sum') {
    return { attributes, value: number('asDouble') ?? number('asInt'), count: undefined, sum: undefined, ended };
  }
  return { attributes, value: undefined, count: number('count') ?? 0, sum: number('sum'), ended };
}

function readAttribute(attribute: JsonObject, path: string): Attribute {
  const key = stringOf(attribute.key ?? '', `${path}.key`);
  const value = objectOf(attribute.value ?? {}, `${path}.value`);
  if (isSet(value.stringValue)) return [key, stringOf(value.stringValue, `${path}.value.stringValue`)];
  if (isSet(value.boolValue)) return [key, booleanOf(value.boolValue, `${path}.value.boolValue`)];
  if (isSet(value.intValue)) return [key, integerText(value.intValue, `${path}.value.intValue`)];
  if (isSet(value.doubleValue)) return [key, String(numberOf(value.doubleValue, `${path}.value.doubleValue`))];
  const isEmpty = !isSet(value.arrayValue) && !isSet(value.kvlistValue) && !isSet(value.bytesValue);
  return [key, isEmpty ? '' : undefined];
}

/** In the JSON of protobuf, null is as good as absent. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function objectsIn(
  parent: JsonObject,
  member: string,
  path: string,
  budget: ReadBudget,
): [object: JsonObject, path: string][] {
  const memberPath = path === '' ? member : `${path}.${member}`;
  const list = parent[member];
  if (!isSet(list)) return [];
  if (!Array.isArray(list)) throw wrong(memberPath, list, 'an array');
  budget.takeParts(list.length);
  return list.map((item, index) => [objectOf(item, `${memberPath}[${index}]`), `${memberPath}[${index}]`]);
}

function objectOf(value: unknown, path: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(path, value, 'an object');
}

function stringOf(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw wrong(path, value, 'a string');
}

function booleanOf(value: unknown, path: string): string {
  if (typeof value === 'boolean') return String(value);
  throw wrong(path, value, 'true or false');
}

const DECIMAL = /^-?\d{1,20}$/;

function integerOf(value: unknown, path: string): number {
  if (Number.isInteger(value)) return value as number;
  throw wrong(path, value, 'an integer');
}

function integerText(value: unknown, path: string): string {
  if (Number.isInteger(value) || (typeof value === 'string' && DECIMAL.test(value))) return String(value);
  throw wrong(path, value, 'an integer, as a number or a decimal string');
}

const NOT_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** A double or a 64-bit integer: protobuf's JSON allows both as a string. */
function numberOf(value: unknown, path: string): number {
  if (typeof value === 'number') return value;
  const special = NOT_FINITE.get(value);
  if (special !== undefined) return special;
  if (typeof value === 'string' && value.trim() !== '' && value.length <= 32 && !Number.isNaN(Number(value)))
    return Number(value);
  throw wrong(path, value, 'a number');
}

function wrong(path: string, value: unknown, expected: string): BadRequest {
  const kind = Array.isArray(value) ? 'an array' : kindOf(value);
  return new BadRequest(path, `${path === '' ? 'it' : path} is ${kind}; expected ${expected}`);
}
