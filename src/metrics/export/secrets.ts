/** What is secret in the settings of a receiver. */
import { partsOfCredentials, valuesInQuery } from '../../lib/secret-text.ts';
import type { ReceiverSettings } from './messages.ts';

/** What a receiver, or an error, might repeat. The longest come first: one may contain another. */
export function secretsOf(settings: ReceiverSettings): readonly string[] {
  const { headers, authorization } = settings;
  const credentials = [...Object.values(headers), ...(authorization === undefined ? [] : [authorization])];
  const url = settings.kind === 'otlp' ? settings.endpoint : settings.url;
  const found = new Set([...credentials.flatMap(partsOfCredentials), ...valuesInQuery(new URL(url).search)]);
  found.delete('');
  return [...found].sort((a, b) => b.length - a.length);
}
