/** The schema of silences, with Alertmanager's names. */
import { z } from '@hono/zod-openapi';
import { MAX_AUTHOR_LENGTH, MAX_COMMENT_LENGTH, MAX_MATCHERS } from '../../model/new-silence.ts';
import { type NewSilence, SILENCE_STATES } from '../../model/silence.ts';
import { body } from './parameters.ts';
import { moment } from './schemas.ts';

const text = (what: string) => z.string({ error: `expected ${what}` });
const flag = z.boolean({ error: 'expected true or false' });

const Matcher = body({
  name: text('the name of a label'),
  value: text('a text'),
  isRegex: flag.optional().openapi({ description: '`value` is a pattern for the whole label value. Default: false.' }),
  isEqual: flag.optional().openapi({ description: 'false: the label must not match. Default: true.' }),
}).openapi('SilenceMatcher');

const time = () => z.iso.datetime({ offset: true, error: 'expected a time in RFC 3339, such as 2026-11-23T17:54:55Z' });

export const SilenceRequest = body({
  id: text('the id of a silence')
    .optional()
    .openapi({ description: 'Changes this silence; without it, a new one is made.' }),
  matchers: z
    .array(Matcher, { error: 'expected a list of matchers' })
    .openapi({ description: `An alert must match all of them, 1 to ${MAX_MATCHERS}. A label that it lacks is empty.` }),
  startsAt: time().optional().openapi({ description: 'Default: now.' }),
  endsAt: time(),
  createdBy: text('a name').openapi({ description: `Who silences: 1 to ${MAX_AUTHOR_LENGTH} characters.` }),
  comment: text('a text').openapi({ description: `Why: 1 to ${MAX_COMMENT_LENGTH} characters.` }),
}).openapi('SilenceRequest', {
  example: {
    matchers: [{ name: 'worker', value: 'worker-1', isRegex: false, isEqual: true }],
    endsAt: '2026-11-23T19:54:55Z',
    createdBy: 'ada',
    comment: 'a new disk is being put in',
  },
});

/** @param nowUnixMs when it starts unless it says otherwise */
export function newSilenceOf(asked: z.output<typeof SilenceRequest>, nowUnixMs: number): NewSilence {
  const { id, matchers, startsAt, endsAt, createdBy, comment } = asked;
  return {
    ...(id === undefined ? {} : { id }),
    matchers: matchers.map(({ name, value, isRegex = false, isEqual = true }) => ({ name, value, isRegex, isEqual })),
    startsUnixMs: startsAt === undefined ? nowUnixMs : Date.parse(startsAt),
    endsUnixMs: Date.parse(endsAt),
    createdBy,
    comment,
  };
}

export const SilenceShape = z
  .object({
    id: z.string(),
    matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
    startsAt: moment('From then on, nothing is sent.'),
    endsAt: moment('Until then.'),
    updatedAt: moment('When it was made, or changed last.'),
    createdBy: z.string(),
    comment: z.string(),
    status: z.object({ state: z.enum(SILENCE_STATES) }),
  })
  .openapi('Silence');

export const SILENCE_EXAMPLE: z.input<typeof SilenceShape> = {
  id: '0b7a1a0e-7a3c-4d2e-9d51-4a3d54f7c7a1',
  matchers: [{ name: 'worker', value: 'worker-1', isRegex: false, isEqual: true }],
  startsAt: '2026-11-23T17:54:55.000Z',
  endsAt: '2026-11-23T19:54:55.000Z',
  updatedAt: '2026-11-23T17:54:55.000Z',
  createdBy: 'ada',
  comment: 'a new disk is being put in',
  status: { state: 'active' },
};
