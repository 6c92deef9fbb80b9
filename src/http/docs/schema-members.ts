/** Lists a schema's members for the docs page. */
import { isRecord } from './is-record.ts';

/** JSON Schema, as far as our documents use it. */
export type Schema = Readonly<Record<string, unknown>>;

export interface SchemaMember {
  /** From the outermost object: `lane.state`, `workers[].id`. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
}

/** Deeper than any answer. */
const MAX_DEPTH = 6;

/** Every member, outer ones first. @param resolve resolves a reference */
export function membersOf(
  schema: Schema,
  resolve: (schema: Schema) => Schema,
  path = '',
  depth = 0,
): readonly SchemaMember[] {
  const inner = resolve(schema);
  if (depth > MAX_DEPTH) return [];
  const below = (next: unknown, nextPath: string) =>
    isRecord(next) ? membersOf(next, resolve, nextPath, depth + 1) : [];
  const options = [...listIn(inner.anyOf), ...listIn(inner.oneOf), ...listIn(inner.allOf)];
  const members = Object.entries(isRecord(inner.properties) ? inner.properties : {}).flatMap(([name, value]) => {
    if (!isRecord(value)) return [];
    const at = path === '' ? name : `${path}.${name}`;
    const description = textIn(value.description) || textIn(resolve(value).description);
    return [{ path: at, type: typeOf(value, resolve), description }, ...below(value, at)];
  });
  return [
    ...members,
    ...options.flatMap((option) => below(option, path)),
    ...below(inner.items, `${path}[]`),
    ...below(inner.additionalProperties, path === '' ? '<name>' : `${path}.<name>`),
  ];
}

/** The type in a few words. */
export function typeOf(schema: Schema, resolve: (schema: Schema) => Schema): string {
  const inner = resolve(schema);
  const values = listIn(inner.enum);
  if (inner.const !== undefined) return JSON.stringify(inner.const);
  if (values.length > 0) return values.map((value) => (value === null ? 'null' : String(value))).join(', ');
  const options = [...listIn(inner.anyOf), ...listIn(inner.oneOf), ...listIn(inner.allOf)].filter(isRecord);
  if (options.length > 0) return options.map((option) => typeOf(option, resolve)).join(' or ');
  const names = Array.isArray(inner.type) ? inner.type : [inner.type ?? 'any'];
  return names.map((name) => oneType(String(name), inner, resolve)).join(' or ');
}

function oneType(name: string, schema: Schema, resolve: (schema: Schema) => Schema): string {
  if (name === 'array') return isRecord(schema.items) ? `list of ${typeOf(schema.items, resolve)}` : 'list';
  if (name === 'string' && schema.format === 'date-time') return 'time';
  if (isRecord(schema.patternProperties)) {
    const values = Object.values(schema.patternProperties).filter(isRecord);
    return values.map((value) => typeOf(value, resolve)).join(' or ');
  }
  if (name === 'object' && isRecord(schema.additionalProperties)) {
    return `map to ${typeOf(schema.additionalProperties, resolve)}`;
  }
  return name;
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
