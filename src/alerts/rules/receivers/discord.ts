/** Webhooks of Discord, and of programs that take the same. */
import { z } from 'zod';
import { certificates, line, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

const fields = {
  url: url('https://discord.com/api/webhooks/123/abc'),
  username: line('a name', 80).optional(),
  ca: certificates.optional(),
};

const schema = z.strictObject(fields);
export type DiscordSettings = z.output<typeof schema>;

export const discord: ReceiverKind<DiscordSettings> = {
  schema,
  fields,
  inFiles: ['url', 'ca'],
  sendsResolved: true,
  runsCommands: false,
};
