/** ntfy, ntfy.sh or a server of one's own: https://docs.ntfy.sh/publish */
import { z } from 'zod';
import { checkHttp, HTTP_FILES, httpFields, line, list, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

const TOPIC = 'a topic of letters, digits, "_" and "-", at most 64';
const PRIORITY = 'a priority from 1 (least) to 5 (most urgent)';

const fields = {
  url: url('https://ntfy.sh').default('https://ntfy.sh'),
  topic: z.string({ error: `expected ${TOPIC}` }).regex(/^[-_A-Za-z0-9]{1,64}$/, { error: `expected ${TOPIC}` }),
  /** By severity; for those that are not named, the usual ones. */
  priorities: z
    .record(
      z.string(),
      z
        .int({ error: `expected ${PRIORITY}` })
        .min(1, { error: `expected ${PRIORITY}` })
        .max(5, {
          error: `expected ${PRIORITY}`,
        }),
      { error: 'expected priorities by severity, such as { page: 5, warning: 3 }' },
    )
    .optional(),
  tags: list(line('a tag', 64), 'tags').optional(),
  ...httpFields,
};

const schema = z.strictObject(fields).superRefine(checkHttp);
export type NtfySettings = z.output<typeof schema>;

export const ntfy: ReceiverKind<NtfySettings> = {
  schema,
  fields,
  inFiles: ['url', 'topic', ...HTTP_FILES],
  sendsResolved: true,
  runsCommands: false,
};
