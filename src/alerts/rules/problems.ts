/** Collects what is wrong with a rule file. */
import type { z } from 'zod';
import { nearName } from '../expression/near-name.ts';
import type { ExpressionProblem } from '../expression/parse.ts';
import type { Path, Places } from './document.ts';
import type { Place, RuleProblem } from './place.ts';

/** More of them help nobody; the rest is counted. */
const MAX_PROBLEMS = 200;

export class Problems {
  readonly places: Places;
  readonly #found: RuleProblem[] = [];
  readonly #warnings: RuleProblem[] = [];

  constructor(places: Places) {
    this.places = places;
  }

  add(path: Path, message: string): void {
    this.addAt(this.places.of(path), message);
  }

  addAt(place: Place | undefined, message: string): void {
    this.#found.push({ ...(place ?? {}), message });
  }

  warnAt(place: Place | undefined, message: string): void {
    this.#warnings.push({ ...(place ?? {}), message });
  }

  addAll(problems: readonly RuleProblem[]): void {
    this.#found.push(...problems);
  }

  /** Of an expression or a template that stands at the path. */
  addExpression(path: Path, what: string, { problems, warnings }: ExpressionFindings): void {
    const told = ({ start, message }: ExpressionProblem) => ({
      ...(this.places.within(path, start) ?? {}),
      message: `${what}: ${message}`,
    });
    this.#found.push(...problems.map(told));
    this.#warnings.push(...warnings.map(told));
  }

  /** What a schema makes of a value; undefined after problems. @param what what the value is, such as `rule Hot` */
  parse<T>(schema: z.ZodType<T>, value: unknown, path: Path, what: string): T | undefined {
    const { data, error } = schema.safeParse(value);
    if (error === undefined) return data;
    for (const issue of error.issues) this.#addIssue(issue, value, path, what, schema);
    return undefined;
  }

  #addIssue(issue: z.core.$ZodIssue, value: unknown, path: Path, what: string, schema: z.ZodType): void {
    const inner = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
    const at = [...path, ...inner];
    const field = fieldName(inner);
    const where = [what, field].filter((part) => part !== '').join(', ');
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = fieldsOf(schema, inner);
        const meant = nearName(key, known);
        const hint = meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`;
        this.addAt(this.places.ofKey([...at, key]), `${where}: unknown field ${JSON.stringify(key)}; ${hint}`);
      }
      return;
    }
    if (issue.code === 'invalid_key') {
      this.addAt(this.places.ofKey(at), `${where}: ${issue.message}`);
      return;
    }
    const found = valueAt(value, inner);
    const told = found === undefined ? `is missing; ${issue.message}` : `found ${shown(found)}; ${issue.message}`;
    this.add(at, found === undefined ? `${where} ${told}` : `${where}: ${told}`);
  }

  /** In the order of the file. */
  get found(): readonly RuleProblem[] {
    const sorted = inOrder(this.#found);
    if (sorted.length <= MAX_PROBLEMS) return sorted;
    const rest = { message: `${sorted.length - MAX_PROBLEMS} further problems are not shown` };
    return [
      ...sorted.slice(0, MAX_PROBLEMS),
      { ...rest, ...(sorted[MAX_PROBLEMS]?.line === undefined ? {} : placeOf(sorted[MAX_PROBLEMS])) },
    ];
  }

  get warnings(): readonly RuleProblem[] {
    return inOrder(this.#warnings).slice(0, MAX_PROBLEMS);
  }
}

interface ExpressionFindings {
  readonly problems: readonly ExpressionProblem[];
  readonly warnings: readonly ExpressionProblem[];
}

function placeOf({ line, column }: RuleProblem): Partial<Place> {
  return line === undefined || column === undefined ? {} : { line, column };
}

function inOrder(problems: readonly RuleProblem[]): RuleProblem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function fieldName(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

function valueAt(value: unknown, path: Path): unknown {
  let found: unknown = value;
  for (const step of path) {
    // One value stands for a list of it.
    if (typeof step === 'number' && (typeof found === 'string' || typeof found === 'number')) return found;
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[step];
  }
  return found;
}

/** The fields of the strict object at the path of a schema. */
function fieldsOf(schema: z.ZodType, path: Path): string[] {
  let at: z.ZodType | undefined = schema;
  for (const step of path) at = stepInto(unwrapped(at), step);
  const shape = (unwrapped(at) as { shape?: Record<string, unknown> } | undefined)?.shape;
  return shape === undefined ? [] : Object.keys(shape);
}

function stepInto(schema: z.ZodType | undefined, step: string | number): z.ZodType | undefined {
  if (typeof step === 'number') return (schema as { element?: z.ZodType } | undefined)?.element;
  return (schema as { shape?: Record<string, z.ZodType> } | undefined)?.shape?.[step];
}

function unwrapped(schema: z.ZodType | undefined): z.ZodType | undefined {
  const inner = (schema as { unwrap?: () => z.ZodType } | undefined)?.unwrap;
  const isArray = (schema as { element?: unknown } | undefined)?.element !== undefined;
  return inner === undefined || isArray ? schema : unwrapped(inner.call(schema));
}

/** A value of the file, shortened. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'fields';
  if (value === null) return 'nothing';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
