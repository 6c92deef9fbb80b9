/** The log of the master. */
import { z } from 'zod';
import type { ReceiverKind } from './kind.ts';

const fields = {};
const schema = z.strictObject(fields);
export type LogSettings = z.output<typeof schema>;

export const log: ReceiverKind<LogSettings> = {
  schema,
  fields,
  inFiles: [],
  sendsResolved: true,
  runsCommands: false,
};
