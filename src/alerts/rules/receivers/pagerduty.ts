/** PagerDuty Events API v2: https://developer.pagerduty.com/docs/send-alert-event */
import { z } from 'zod';
import { certificates, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

export const PAGERDUTY_SEVERITIES = ['critical', 'error', 'warning', 'info'] as const;
const KEY = 'the integration key of a service: 32 letters and digits';
const SEVERITY = `one of ${PAGERDUTY_SEVERITIES.join(', ')}`;

const fields = {
  url: url('https://events.pagerduty.com/v2/enqueue').default('https://events.pagerduty.com/v2/enqueue'),
  routing_key: z.string({ error: `expected ${KEY}` }).regex(/^[A-Za-z0-9]{32}$/, { error: `expected ${KEY}` }),
  /** By severity of the alert; for those that are not named, the usual ones. */
  severities: z
    .record(z.string(), z.enum(PAGERDUTY_SEVERITIES, { error: `expected ${SEVERITY}` }), {
      error: `expected severities of PagerDuty by those of alerts, such as { page: critical }`,
    })
    .optional(),
  ca: certificates.optional(),
};

const schema = z.strictObject(fields);
export type PagerdutySettings = z.output<typeof schema>;

export const pagerduty: ReceiverKind<PagerdutySettings> = {
  schema,
  fields,
  inFiles: ['url', 'routing_key', 'ca'],
  sendsResolved: true,
  runsCommands: false,
};
