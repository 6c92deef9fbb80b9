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
export type AlertmanagerSettings = z.output<typeof schema>;

export const alertmanager: ReceiverKind<AlertmanagerSettings> = {
  schema,
  fields,
  inFiles: ['urls', ...HTTP_FILES],
  sendsResolved: true,
  runsCommands: false,
};
