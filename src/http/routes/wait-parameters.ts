/** The parameters of blocking queries. */
import type { z } from '@hono/zod-openapi';
import { durationMs, formatDuration } from '../../config/kinds.ts';
import { clientKeyOf } from '../access/client-key.ts';
import { once } from '../api/selection-query.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { MOST_WAIT_MS, SOCKET_IDLE_MS, WAIT_MS } from '../http-limits.ts';
import type { Watched } from '../live/feeds.ts';

const waitTime = durationMs({ maxMs: MOST_WAIT_MS });

export const WAIT_PARAMETERS = {
  index: once()
    .regex(/^(?:0|[a-z2-7]{8}-\d{1,16})$/, 'expected the X-Pulselane-Index of an earlier answer, or 0')
    .optional()
    .openapi({
      description:
        'The X-Pulselane-Index of an earlier answer. The answer is delayed until these workers change, or until the ' +
        'wait is over. With `fields` and without `sort`, only changes of these fields count. With 0, or an index from before a restart, the answer comes at once.',
    }),
  wait: once()
    .superRefine((text, context) => {
      try {
        waitTime.parse(text);
      } catch {
        const message = `expected a duration from 0 to ${formatDuration(MOST_WAIT_MS)}, such as ${formatDuration(WAIT_MS)}`;
        context.addIssue({ code: 'custom', message });
      }
    })
    .optional()
    .openapi({
      description:
        'How long to wait for a change after `index`: for example 30s (the default) or 5m, at most 10m. ' +
        'Up to 1/16 is added at random. Only valid together with `index`.',
    }),
} satisfies z.ZodRawShape;

/** A wait without an index would be answered at once, and clients would repeat it at once. */
export function checkWait(
  { index, wait }: { readonly index?: unknown; readonly wait?: unknown },
  context: z.RefinementCtx,
): void {
  if (wait === undefined || index !== undefined) return;
  const message = 'needs index: give the X-Pulselane-Index of an earlier answer';
  context.addIssue({ code: 'custom', path: ['wait'], message });
}

/**
 * Waits as the parameters say.
 * @throws LimitReached if too many clients wait, or this client waits too often
 */
export async function waited(
  c: HttpContext,
  { live, clock }: AppContext,
  watched: Watched,
  { index, wait }: { readonly index?: string | undefined; readonly wait?: string | undefined },
): Promise<void> {
  if (index === undefined) return;
  const waitMs = wait === undefined ? WAIT_MS : waitTime.parse(wait);
  // Not longer than its session and its token are valid.
  const { session, expiresUnixMs = Number.POSITIVE_INFINITY } = c.get('identity') ?? {};
  const sessionEndsUnixMs = (session?.expiresUnixS ?? Number.POSITIVE_INFINITY) * 1000;
  const mostMs = Math.max(0, Math.min(sessionEndsUnixMs, expiresUnixMs) - clock.wallMs());
  // The connection is rightly idle while it waits.
  const socket = (c.env as HttpEnv['Bindings'] | undefined)?.incoming?.socket;
  socket?.setTimeout(0);
  try {
    await live.waitForChange(watched, index, waitMs, c.req.raw.signal, clientKeyOf(c), mostMs);
  } finally {
    socket?.setTimeout(SOCKET_IDLE_MS);
  }
}
