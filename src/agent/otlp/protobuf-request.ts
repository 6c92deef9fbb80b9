/**
 * Reads an `ExportMetricsServiceRequest` of protobuf. Field numbers: opentelemetry-proto 1.x, which never change
 * (opentelemetry/proto/{collector/metrics,metrics,common}/v1).
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { messageOf } from '../../lib/errors.ts';
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
  type Temporality,
  TooManyParts,
} from './metrics-request.ts';

/** Of `ExportMetricsServiceRequest`, `ResourceMetrics` and `ScopeMetrics`: what leads to the metrics. */
const RESOURCE_METRICS = 1;
const SCOPE_METRICS = 2;
const METRICS = 2;

/** Of `Metric`. */
const METRIC_NAME = 1;
const KINDS: ReadonlyMap<number, MetricKind> = new Map([
  [5, 'gauge'],
  [7, 'sum'],
  [9, 'histogram'],
  [10, 'exponential_histogram'],
  [11, 'summary'],
]);

/** Of `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram` and `Summary`. */
const DATA_POINTS = 1;
const AGGREGATION_TEMPORALITY = 2;

/** Of the kinds of data points; 0: the kind has no such field. */
interface PointFields {
  readonly attributes: number;
  readonly flags: number;
  readonly asDouble: number;
  readonly asInt: number;
  readonly count: number;
  readonly sum: number;
}

const NUMBER_POINT: PointFields = { attributes: 7, flags: 8, asDouble: 4, asInt: 6, count: 0, sum: 0 };
const POINT_FIELDS: Readonly<Record<MetricKind, PointFields>> = {
  gauge: NUMBER_POINT,
  sum: NUMBER_POINT,
  histogram: { attributes: 9, flags: 10, asDouble: 0, asInt: 0, count: 4, sum: 5 },
  exponential_histogram: { attributes: 1, flags: 10, asDouble: 0, asInt: 0, count: 4, sum: 5 },
  summary: { attributes: 7, flags: 8, asDouble: 0, asInt: 0, count: 4, sum: 5 },
};

/** Of `KeyValue` and `AnyValue`. */
const KEY = 1;
const VALUE = 2;
const STRING_VALUE = 1;
const BOOL_VALUE = 2;
const INT_VALUE = 3;
const DOUBLE_VALUE = 4;

/** @throws BadRequest if the bytes are no such message, TooManyParts */
export function readProtobufRequest(body: Uint8Array): MetricsRequest {
  const metrics: ReceivedMetric[] = [];
  const budget = new ReadBudget();
  try {
    for (const resourceMetrics of messagesIn(body, RESOURCE_METRICS, budget)) {
      for (const scopeMetrics of messagesIn(resourceMetrics, SCOPE_METRICS, budget)) {
        for (const metric of messagesIn(scopeMetrics, METRICS, budget)) metrics.push(readMetric(metric, budget));
      }
    }
  } catch (error) {
    if (error instanceof BadRequest || error instanceof TooManyParts) throw error;
    throw new BadRequest('', `it is not a protobuf message: ${messageOf(error)}`);
  }
  return { metrics, pointsNotRead: budget.pointsNotRead };
}

function* messagesIn(bytes: Uint8Array, wanted: number, budget: ReadBudget): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) {
      budget.takeParts();
      yield reader.bytes();
    } else reader.skip(type, field);
  }
}

function readMetric(bytes: Uint8Array, budget: ReadBudget): ReceivedMetric {
  const reader = new BinaryReader(bytes);
  let name = '';
  let kind: MetricKind | undefined;
  let temporality: Temporality = 'unspecified';
  let points: ReceivedPoint[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const newKind = KINDS.get(field);
    if (type !== WireType.LengthDelimited) reader.skip(type, field);
    else if (field === METRIC_NAME) name = text(reader);
    else if (newKind !== undefined) {
      // Of a `oneof`, the last one counts; the same one again continues it.
      if (newKind !== kind) points = [];
      kind = newKind;
      const data = new BinaryReader(reader.bytes());
      while (data.pos < data.len) {
        const [dataField, dataType] = data.tag();
        if (dataField === DATA_POINTS && dataType === WireType.LengthDelimited) {
          budget.takeParts();
          const point = data.bytes();
          if (budget.takePoint()) points.push(readPoint(point, POINT_FIELDS[kind], budget));
        } else if (dataField === AGGREGATION_TEMPORALITY && dataType === WireType.Varint) {
          temporality = TEMPORALITIES[data.int32()] ?? 'unspecified';
        } else data.skip(dataType, dataField);
      }
    } else reader.skip(type, field);
  }
  return { name, kind, temporality, points };
}

function readPoint(bytes: Uint8Array, fields: PointFields, budget: ReadBudget): ReceivedPoint {
  const reader = new BinaryReader(bytes);
  const attributes: Attribute[] = [];
  let value: number | undefined;
  let count: number | undefined;
  let sum: number | undefined;
  let ended = false;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === fields.attributes && type === WireType.LengthDelimited) {
      budget.takeParts();
      attributes.push(readAttribute(reader.bytes()));
    } else if (field === fields.asDouble && type === WireType.Bit64) value = reader.double();
    else if (field === fields.asInt && type === WireType.Bit64) value = Number(reader.sfixed64());
    else if (field === fields.count && type === WireType.Bit64) count = Number(reader.fixed64());
    else if (field === fields.sum && type === WireType.Bit64) sum = reader.double();
    else if (field === fields.flags && type === WireType.Varint) ended = (reader.uint32() & NO_RECORDED_VALUE) !== 0;
    else reader.skip(type, field);
  }
  // As in proto3, a missing plain number is 0. `sum` of a summary is plain, too, that of a histogram is optional.
  if (fields.count !== 0) count ??= 0;
  return { attributes, value, count, sum, ended };
}

function readAttribute(bytes: Uint8Array): Attribute {
  const reader = new BinaryReader(bytes);
  let key = '';
  let value: string | undefined = '';
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type, field);
    else if (field === KEY) key = text(reader);
    else if (field === VALUE) value = readValue(reader.bytes());
    else reader.skip(type, field);
  }
  return [key, value];
}

/** An empty `AnyValue` is an empty text. */
function readValue(bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes);
  let value: string | undefined = '';
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === STRING_VALUE && type === WireType.LengthDelimited) value = text(reader);
    else if (field === BOOL_VALUE && type === WireType.Varint) value = String(reader.bool());
    else if (field === INT_VALUE && type === WireType.Varint) value = String(reader.int64());
    else if (field === DOUBLE_VALUE && type === WireType.Bit64) value = String(reader.double());
    else {
      value = undefined;
      reader.skip(type, field);
    }
  }
  return value;
}

function text(reader: BinaryReader): string {
  return reader.string(true);
}
