import { z } from 'zod';
import { nearName } from '../expression/near-name.ts';
import type { Path } from './document.ts';
import type { Problems } from './problems.ts';
import type { ReceiverKindName, TargetContext } from './receivers/target.ts';
import { parseTarget, RECEIVER_KINDS } from './receivers/target.ts';
import type { Receiver, ReceiverTarget } from './rule.ts';

/** Several places to which one receiver sends; each is delivered by itself. */
export const MAX_TARGETS = 20;

const named = z.object(
  {
    name: z
      .string({ error: 'expected the name of the receiver' })
      .regex(/^[^\p{Cc}\p{Surrogate}]{1,200}$/u, { error: 'expected a name of 1 to 200 characters' }),
  },
  { error: 'expected fields such as { name: hook, webhook: { url: … } }' },
);
const KINDS = Object.keys(RECEIVER_KINDS) as readonly ReceiverKindName[];

/** @returns undefined if it has no name */
export function receiverOf(
  value: unknown,
  path: Path,
  problems: Problems,
  context: TargetContext,
): Receiver | undefined {
  const fields = problems.parse(named, value, path, `receiver ${Number(path.at(-1)) + 1}`);
  if (fields === undefined) return undefined;
  const what = `receiver ${fields.name}`;
  const written = Object.entries(value as object).filter(([field]) => field !== 'name');
  const targets = written.flatMap(([field, given]) => {
    if (!isKind(field)) {
      const meant = nearName(field, ['name', ...KINDS]);
      const hint = meant === undefined ? `expected one of ${KINDS.join(', ')}` : `did you mean ${meant}?`;
      problems.addAt(
        problems.places.ofKey([...path, field]),
        `${what}: unknown field ${JSON.stringify(field)}; ${hint}`,
      );
      return [];
    }
    const list: readonly unknown[] = Array.isArray(given) ? given : [given];
    return list.flatMap((one, index): ReceiverTarget[] => {
      const at = Array.isArray(given) ? [...path, field, index] : [...path, field];
      const { targets: read = [], problems: found = [] } = parseTarget(field, one, context);
      for (const { path: inner, message } of found) {
        const where = [what, [field, ...inner].join('.')].join(', ');
        const place = message.startsWith('unknown field')
          ? problems.places.ofKey([...at, ...inner])
          : problems.places.of([...at, ...inner]);
        problems.addAt(place, `${where}: ${message}`);
      }
      return [...read];
    });
  });
  if (written.length === 0) problems.add(path, `${what} sends nowhere; expected at least one of ${KINDS.join(', ')}`);
  if (targets.length > MAX_TARGETS)
    problems.add(path, `${what} has ${targets.length} targets; at most ${MAX_TARGETS} are allowed`);
  return { name: fields.name, targets, place: problems.places.of(path) };
}

function isKind(field: string): field is ReceiverKindName {
  return Object.hasOwn(RECEIVER_KINDS, field);
}
