/** Alertmanager, version 0.22 or newer: https://prometheus.io/docs/alerting/latest/clients */
import { z } from 'zod';
import { checkHttp, HTTP_FILES, httpFields, linesOf, list, url } from './fields.ts';
import type { ReceiverKind } from './kind.ts';

const fields = {
  /** Of each Alertmanager of a cluster; with or without the path of its API. All of them get every alert. */
  urls: z.preprocess(linesOf, list(url('http://127.0.0.1:9093'), 'URLs such as http://127.0.0.1:9093')),
  ...httpFields,
};

const schema = z.strictObject(fields).superRefine(checkHttp);
type Written = z.output<typeof schema>;

/** Of one Alertmanager. */
export type AlertmanagerSettings = Omit<Written, 'urls'> & { readonly url: string };

export const alertmanager: ReceiverKind<Written> = {
  schema,
  fields,
  // One that is away must not keep the others from being told that an alert still fires.
  split: ({ urls, ...rest }) => urls.map((each): AlertmanagerSettings => ({ ...rest, url: each })),
  inFiles: ['urls', ...HTTP_FILES],
  sendsResolved: true,
  runsCommands: false,
};
