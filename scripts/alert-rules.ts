/**
 * Generates what docs/alert-rules.md says of names, functions and shipped rules, and the JSON schema of a rule file beside it:
 * `npm run generate`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import {
  AGGREGATE_FUNCTIONS,
  AGGREGATED,
  GPU_MEMBERS,
  NAMES,
  type NameInfo,
  OVER_TIME,
  WINDOW_FUNCTIONS,
} from '../src/alerts/expression/names.ts';
import type { ReceiverKind } from '../src/alerts/rules/receivers/kind.ts';
import { RECEIVER_KINDS } from '../src/alerts/rules/receivers/target.ts';
import { fileSchema, inhibitionSchema, muteTimeSchema, routeSchema, ruleSchema } from '../src/alerts/rules/schema.ts';
import { shippedRules } from '../src/alerts/rules/shipped.ts';
import { formatDuration } from '../src/config/kinds.ts';

const PAGE = fileURLToPath(new URL('../docs/alert-rules.md', import.meta.url));
const SCHEMA = fileURLToPath(new URL('../docs/alert-rules.schema.json', import.meta.url));

/** Returns the page with its generated parts replaced. */
export function withTables(page: string): string {
  const parts = {
    names: [
      section('Names of a worker', namesTable(NAMES.worker)),
      section('Members of a device', namesTable(GPU_MEMBERS)),
      section('Names of a group', namesTable(NAMES.group)),
      section('Names of the cluster', namesTable(NAMES.cluster)),
    ].join('\n\n'),
    functions: functionsTables(),
    shipped: shippedTable(),
  };
  return Object.entries(parts).reduce((text, [name, part]) => replaced(text, name, part), page);
}

function replaced(page: string, name: string, part: string): string {
  const [begin, end] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/alert-rules.md has no ${begin} … ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${part}\n\n${page.slice(to)}`;
}

function section(title: string, table: string): string {
  return `### ${title}\n\n${table}`;
}

function namesTable(names: Readonly<Record<string, NameInfo>>): string {
  const rows = Object.entries(names).map(([name, { type, meaning, mayBeMissing, values }]) => [
    code(name),
    code(type),
    mayBeMissing === true ? 'yes' : '',
    values === undefined ? meaning : `${meaning}: ${values.join(', ')}`,
  ]);
  return table(['name', 'type', 'may be missing', 'meaning'], rows);
}

function functionsTables(): string {
  const windows = Object.entries(WINDOW_FUNCTIONS).map(([name, { arguments: args, meaning }]) => [
    code(`${name}("metric", ${args.map((arg) => (arg === 'ahead' ? '"4h"' : '"10m"')).join(', ')})`),
    'worker',
    meaning,
  ]);
  const aggregates = Object.entries(AGGREGATE_FUNCTIONS).map(([name, { argument, meaning }]) => [
    code(name === 'count' ? 'count("inactive")' : `${name}("${argument}")`),
    'group, cluster',
    meaning,
  ]);
  return [
    table(['function', 'for_each', 'value'], [...windows, ...aggregates]),
    `The metric of a function over time is a custom metric or one of ${OVER_TIME.map(code).join(', ')}.`,
    `The field of \`avg\` and \`max\` is a custom metric or one of ${AGGREGATED.map(code).join(', ')}.`,
  ].join('\n\n');
}

function shippedTable(): string {
  const rows = shippedRules().map((rule) => [
    `[${rule.name}](alert-runbooks.md#${rule.name.toLowerCase()})`,
    rule.severity,
    code(rule.when.text).replaceAll('|', '\\|'),
    formatDuration(rule.forMs),
    formatDuration(rule.keepFiringForMs),
  ]);
  return table(['alert', 'severity', 'condition', '`for`', '`keep_firing_for`'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** The file's shape for editors and generators. What only the check can know, such as CEL, is not in it. */
export function jsonSchema(): string {
  const lists = {
    receivers: z.array(z.unknown()).optional().describe('Where alerts are sent.'),
    route: routeSchema.optional().describe('Which alerts go to which receiver.'),
    inhibit: z.array(inhibitionSchema).optional().describe('Alerts that keep others silent.'),
    mute_times: z.array(muteTimeSchema).optional().describe('Times at which routes send nothing.'),
    rules: z.array(ruleSchema).optional().describe('Conditions under which alerts fire.'),
    disable: z
      .array(z.enum(shippedRules().map(({ name }) => name)))
      .optional()
      .describe('Shipped rules that are switched off.'),
  };
  const file = z.strictObject({ ...fileSchema.shape, ...lists }).describe('A file of alerting rules of Pulselane.');
  const schema = z.toJSONSchema(file, { io: 'input', unrepresentable: 'any' }) as unknown as {
    properties: { receivers: { items: unknown } };
  };
  const kinds = Object.entries<ReceiverKind>(RECEIVER_KINDS).map(([name, kind]) => {
    const one = targetSchema(kind);
    return [name, { anyOf: [one, { type: 'array', items: one }, { type: 'null' }] }];
  });
  schema.properties.receivers.items = {
    type: 'object',
    properties: { name: { type: 'string' }, ...Object.fromEntries(kinds) },
    required: ['name'],
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function targetSchema({ fields, inFiles }: ReceiverKind): unknown {
  const { $schema: _, ...schema } = z.toJSONSchema(z.strictObject({ ...fields }), {
    io: 'input',
    unrepresentable: 'any',
  }) as Record<string, unknown> & { properties: Record<string, unknown> };
  const twins = inFiles.map((name) => [`${name}_file`, { type: 'string', description: `File that contains ${name}.` }]);
  const properties = { ...schema.properties, ...Object.fromEntries(twins), send_resolved: { type: 'boolean' } };
  // A field may be in a file of its own instead.
  const required = ((schema.required as string[] | undefined) ?? []).filter((name) => !inFiles.includes(name));
  return { ...schema, properties, ...(required.length === 0 ? { required: undefined } : { required }) };
}

if (import.meta.main) {
  writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8')));
  writeFileSync(SCHEMA, jsonSchema());
}
