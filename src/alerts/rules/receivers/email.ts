/** E-mail by SMTP. */
import { z } from 'zod';
import { certificates, line, list } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

const HOST = 'the name or address of a mail server, such as mail.example.org';
const PORT = 'a port from 1 to 65535';
const ADDRESS = 'an e-mail address such as ops@example.org';
/** RFC 5321, 4.5.3.1: 64 and 255 octets. Quoted local parts are not taken: nobody has them. */
const ADDRESS_PATTERN = /^[^\s<>()[\]\\,;:@"\p{Cc}\p{Cf}]{1,64}@[^\s<>()[\]\\,;:@"\p{Cc}\p{Cf}]{1,255}$/u;

export const SMTP_SECURITY = ['starttls', 'tls', 'none'] as const;

const address = z.string({ error: `expected ${ADDRESS}` }).regex(ADDRESS_PATTERN, { error: `expected ${ADDRESS}` });

const fields = {
  host: z.string({ error: `expected ${HOST}` }).regex(/^[-.:_0-9A-Za-z]{1,253}$/, { error: `expected ${HOST}` }),
  /** By default that of `security`: 587, 465, 25. */
  port: z
    .int({ error: `expected ${PORT}` })
    .min(1, { error: `expected ${PORT}` })
    .max(65_535, { error: `expected ${PORT}` })
    .optional(),
  /** `starttls`: a server without STARTTLS is refused; `none`: mail and password are sent unencrypted. */
  security: z
    .enum(SMTP_SECURITY, {
      error: 'expected starttls (STARTTLS is required), tls (encrypted from the start) or none (unencrypted)',
    })
    .default('starttls'),
  user: line('a user name').optional(),
  password: line('a password').optional(),
  from: address,
  to: z.preprocess(
    (value) => (typeof value === 'string' ? value.split(/[,\n]/).map((one) => one.trim()) : value),
    list(address, 'e-mail addresses'),
  ),
  ca: certificates.optional(),
};

const schema = z.strictObject(fields).superRefine(({ user, password }, context) => {
  if ((user === undefined) === (password === undefined)) return;
  const [path, message] =
    user === undefined
      ? ['password', 'expected user beside password']
      : ['user', 'expected password or password_file beside user'];
  context.addIssue({ code: 'custom', path: [path], message });
});
export type EmailSettings = z.output<typeof schema>;

export const email: ReceiverKind<EmailSettings> = {
  schema,
  fields,
  inFiles: ['password', 'ca'],
  sendsResolved: true,
  runsCommands: false,
};
