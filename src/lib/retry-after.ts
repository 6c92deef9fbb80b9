/**
 * How long `Retry-After` asks to wait, in ms; undefined: it is absent, or no such value.
 * See RFC 9110, 10.2.3: seconds, or a date.
 */
export function retryAfterMs(value: string | undefined, nowUnixMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Only as HTTP writes dates: `Date.parse` takes much else.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowUnixMs);
}
