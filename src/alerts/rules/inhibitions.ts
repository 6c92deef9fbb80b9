import type { Path } from './document.ts';
import { matchersOf } from './matchers.ts';
import { partsOf } from './parts-of.ts';
import type { Problems } from './problems.ts';
import type { Inhibition } from './rule.ts';
import { inhibitionSchema } from './schema.ts';

/** @returns undefined after problems with its form */
export function inhibitionOf(value: unknown, path: Path, problems: Problems): Inhibition | undefined {
  const what = `inhibition ${Number(path.at(-1)) + 1}`;
  const parsed = problems.parse(inhibitionSchema, value, path, what);
  const fields = parsed ?? partsOf(inhibitionSchema, value);
  const side = (name: 'source' | 'target') => {
    const given = [name, `${name}_matchers` as const].filter((field) => fields[field] !== undefined);
    const matchers = given.flatMap((field) =>
      matchersOf(fields[field] ?? [], [...path, field], `${what}, ${field}`, problems),
    );
    if (given.length === 0 && parsed !== undefined)
      problems.add(path, `${what}: ${name} is missing; expected labels such as { severity: page }`);
    else if (name === 'source' && given.length > 0 && matchers.length === 0) {
      const message = `${what}: source matches every alert; expected a label or a matcher`;
      problems.add([...path, given[0] ?? name], message);
    }
    return matchers;
  };
  const [source, target] = [side('source'), side('target')];
  if (parsed === undefined) return undefined;
  return { source, target, equal: parsed.equal, place: problems.places.of(path) };
}
