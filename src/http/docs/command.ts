/** The shell command that tries an operation. */
import { isRecord } from './is-record.ts';
import { ORIGIN, SOCKET_ORIGIN } from './origin.ts';
import type { Schema } from './schema-members.ts';

/** An operation of the document with its method and path. */
export interface DescribedOperation {
  readonly method: string;
  readonly path: string;
  readonly operation: Schema;
}

/** Undefined if the operation needs a browser. @param body an example of the JSON body, if it has one */
export function commandFor({ method, path, operation }: DescribedOperation, body: unknown): string | undefined {
  const { parameters, responses } = operation;
  const given = (Array.isArray(parameters) ? parameters : []).filter(isRecord);
  const target = given.reduce<string>((filled, { name, in: where, example, schema }) => {
    const value = example ?? (isRecord(schema) ? schema.example : undefined);
    return where === 'path' ? filled.replace(`{${name}}`, encodeURIComponent(String(value))) : filled;
  }, path);
  if (path === '/login' || path === '/logout') return undefined;
  if (isRecord(responses) && '101' in responses) return `websocat ${SOCKET_ORIGIN}${target}`;
  const options = [
    ...(method === 'get' ? [] : [`-X ${method.toUpperCase()}`]),
    ...(streams(responses) ? ['-N'] : []),
    ...(body === undefined ? [] : [`-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`]),
  ];
  return ['curl', ...options, `${ORIGIN}${target}`].join(' ');
}

/** Without -N, curl would buffer the events. */
function streams(responses: unknown): boolean {
  const ok = isRecord(responses) ? responses['200'] : undefined;
  return isRecord(ok) && isRecord(ok.content) && 'text/event-stream' in ok.content;
}
