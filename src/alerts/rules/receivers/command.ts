/** A program of this machine. */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import type { ReceiverKind } from './kind.ts';

const PATH = 'the absolute path of a program';
const ARGUMENT = 'an argument as text; put quotation marks around numbers';
/** Linux takes 128 KB an argument; these are written by people. */
const MAX_ARGUMENT = 4096;
const MAX_ARGUMENTS = 100;

const fields = {
  path: z
    .string({ error: `expected ${PATH}` })
    .max(4096, { error: `expected ${PATH}` })
    .refine((path) => isAbsolute(path) && !path.includes('\0'), {
      error: `expected ${PATH}, such as /usr/local/bin/notify`,
    }),
  /** Passed as they are: there is no shell. */
  args: z
    .array(
      z
        .string({ error: `expected ${ARGUMENT}` })
        .max(MAX_ARGUMENT, { error: `expected an argument of at most ${MAX_ARGUMENT} characters` })
        .refine((text) => !text.includes('\0'), { error: 'expected an argument without NUL characters' }),
      { error: 'expected a list of arguments, such as ["--to", "ops"]' },
    )
    .max(MAX_ARGUMENTS, { error: `expected at most ${MAX_ARGUMENTS} arguments` })
    .default([]),
};

const schema = z.strictObject(fields);
export type CommandSettings = z.output<typeof schema>;

export const command: ReceiverKind<CommandSettings> = {
  schema,
  fields,
  inFiles: [],
  sendsResolved: true,
  runsCommands: true,
};
