/** The query parameters of routes that show some of the workers, as a schema. */
import { z } from '@hono/zod-openapi';
import { messageOf } from '../../lib/errors.ts';
import { LANE_KINDS } from '../../model/lanes.ts';
import { WORKER_STATES } from '../../model/liveness.ts';
import { type FILTER_NAMES, isFilter, numberNames, readCriteria } from '../../reading/criteria.ts';
import { FIELD_NAMES, fieldsOf } from '../../reading/fields.ts';
import { type Selection, selectionBy } from '../../reading/selection.ts';
import { noSuchParameter } from './parameters.ts';

/** A parameter that is given once at most. */
export const once = () => z.string({ error: 'given more than once' });

/** A parameter that `parse` reads; what that throws is told to the client. */
export function parsedBy(parse: (text: string) => unknown) {
  return once().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
    }
  });
}

const FILTERS = {
  state: once()
    .optional()
    .openapi({ description: `Any of these, with commas between them: ${WORKER_STATES.join(', ')}.` }),
  group: once().optional().openapi({ description: 'The group that the worker told; empty: workers of no group.' }),
  isolation: once()
    .optional()
    .openapi({ description: `Kinds of the lane that serves it, any of: ${LANE_KINDS.join(', ')}.` }),
  prefix: once().optional().openapi({ description: 'How its id begins.' }),
  fields: parsedBy(fieldsOf)
    .optional()
    .openapi({ description: `What to tell of each worker, beside its worker_id: ${FIELD_NAMES.join(', ')}.` }),
} satisfies Readonly<Record<(typeof FILTER_NAMES)[number] | 'fields', z.ZodType>>;

/** For the description of a route: schemas have no words for parameters whose names are not fixed. */
export const FILTERS_IN_WORDS =
  'Beside the filters that are listed there are `label.<name>=<value>`, `min.<field>=<number>` and ' +
  `\`max.<field>=<number>\` (inclusive), where a field is one of ${numberNames()}. ` +
  'A worker has to pass all of them; one that has no such value does not.';

/** The schema of filters and fields, with a route's own parameters beside them. Whatever else is given is an error. */
export function selectionQuery<Own extends z.ZodRawShape>(own: Own) {
  const shape = { ...FILTERS, ...own };
  const names = Object.keys(shape);
  return z
    .object(shape)
    .catchall(z.unknown())
    .superRefine((parameters, context) => {
      for (const name of Object.keys(parameters)) {
        if (names.includes(name) || isFilter(name)) continue;
        const message = noSuchParameter([...names, 'label.<name>', 'min.<field>', 'max.<field>']);
        context.addIssue({ code: 'custom', path: [name], message });
      }
      for (const { name, detail } of readCriteria(parameters).mistakes) {
        context.addIssue({ code: 'custom', path: [name], message: detail });
      }
    });
}

/** Filters and fields alone. */
export const SelectionQuery = selectionQuery({});

/** The selection of parameters that such a schema found valid. */
export function selectionOf(parameters: Readonly<Record<string, unknown>>): Selection {
  return selectionBy(readCriteria(parameters).criteria);
}
