/** A webhook that gets Alertmanager's payload, version 4. */
import { z } from 'zod';
import { checkHttp, HTTP_FILES, httpFields, line, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

/** NIST SP 800-107 asks for a key as long as half of the hash at least; 16 characters are what people paste. */
const LEAST_SECRET = 16;

const fields = {
  url: url('https://example.org/hook'),
  /** Key of the signature, see docs/alert-receivers.md. */
  secret: line(`a secret of at least ${LEAST_SECRET} characters`)
    .min(LEAST_SECRET, { error: `expected a secret of at least ${LEAST_SECRET} characters` })
    .optional(),
  ...httpFields,
};

const schema = z.strictObject(fields).superRefine(checkHttp);
export type WebhookSettings = z.output<typeof schema>;

export const webhook: ReceiverKind<WebhookSettings> = {
  schema,
  fields,
  inFiles: ['url', 'secret', ...HTTP_FILES],
  sendsResolved: true,
  runsCommands: false,
};
