/** The schema of the query parameters of routes with worker filters. */
import { z } from '@hono/zod-openapi';
import { messageOf } from '../../lib/errors.ts';
import { LANE_KINDS } from '../../model/lanes.ts';
import { WORKER_STATES } from '../../model/liveness.ts';
import { type FILTER_NAMES, isFilter, numberNames, readCriteria } from '../../reading/criteria.ts';
import { FIELD_NAMES, fieldsOf } from '../../reading/fields.ts';
import { type Selection, selectionBy } from '../../reading/selection.ts';
import { noSuchParameter } from './parameters.ts';

/** A parameter that may be given only once. */
export const once = () => z.string({ error: 'given more than once' });

/** A parameter checked by `parse`, whose error goes to the client. */
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
    .openapi({ description: `One or several, separated by commas: ${WORKER_STATES.join(', ')}.` }),
  group: once().optional().openapi({ description: 'The worker’s group; empty: workers without a group.' }),
  isolation: once()
    .optional()
    .openapi({ description: `The kind of the worker’s lane; one or several of: ${LANE_KINDS.join(', ')}.` }),
  prefix: once().optional().openapi({ description: 'How the worker id starts.' }),
} satisfies Readonly<Record<(typeof FILTER_NAMES)[number], z.ZodType>>;

const FIELDS = {
  fields: parsedBy(fieldsOf)
    .optional()
    .openapi({ description: `The members of each item, besides worker_id: ${FIELD_NAMES.join(', ')}.` }),
};

/** Part of a route's description: schemas cannot describe parameters with variable names. */
export const FILTERS_IN_WORDS =
  'Further filters are `label.<name>=<value>`, `min.<field>=<number>` and ' +
  `\`max.<field>=<number>\` (inclusive), where a field is one of ${numberNames()}. ` +
  'A worker must pass all filters; without the value a filter names, it does not pass.';

/** The schema of filters and fields together with a route's own parameters. Any other parameter is an error. */
export function selectionQuery<Own extends z.ZodRawShape>(own: Own) {
  return filterQuery({ ...FIELDS, ...own });
}

/** The same without fields. */
export function filterQuery<Own extends z.ZodRawShape>(own: Own) {
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

/** Only filters and fields. */
export const SelectionQuery = selectionQuery({});

/** The selection from parameters that such a schema accepted. */
export function selectionOf(parameters: Readonly<Record<string, unknown>>): Selection {
  return selectionBy(readCriteria(parameters).criteria);
}
