/** The parameters of a list that is not answered before something changed. */
import type { z } from '@hono/zod-openapi';
import { durationMs } from '../../config/kinds.ts';
import { messageOf } from '../../lib/errors.ts';
import type { AppContext, HttpContext, HttpEnv } from '../context.ts';
import { MOST_WAIT_MS, SOCKET_IDLE_MS, WAIT_MS } from '../limits.ts';
import type { Watched } from '../live/streams.ts';
import { once } from '../query/schema.ts';

const waitTime = durationMs({ maxMs: MOST_WAIT_MS });

export const WAIT_PARAMETERS = {
  index: once()
    .regex(/^(?:0|[a-z2-7]{8}-\d{1,16})$/, 'expected the X-Pulselane-Index of an earlier answer, or 0')
    .optional()
    .openapi({
      description:
        'The X-Pulselane-Index of an earlier answer: answer only once something of these workers changed after it, or the ' +
        'wait is over. With `fields` and without `sort`: something of these fields. 0, and an index of another life of the server: answer at once.',
    }),
  wait: once()
    .superRefine((text, context) => {
      try {
        waitTime.parse(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: `expected ${messageOf(error)}` });
      }
    })
    .optional()
    .openapi({
      description:
        'How long to wait at most for a change after `index`, such as 30s (which it is if nothing is said) or 5m, at most ' +
        '10m; up to a sixteenth more at random. Nothing without `index`.',
    }),
} satisfies z.ZodRawShape;

/**
 * Waits as the parameters say.
 * @throws PulselaneError `resource_exhausted` if too many wait.
 */
export async function waited(
  c: HttpContext,
  { live }: AppContext,
  watched: Watched,
  { index, wait }: { readonly index?: string | undefined; readonly wait?: string | undefined },
): Promise<void> {
  if (index === undefined) return;
  const waitMs = wait === undefined ? WAIT_MS : waitTime.parse(wait);
  // Nothing moves on the connection meanwhile, which is as it should be.
  const socket = (c.env as HttpEnv['Bindings'] | undefined)?.incoming?.socket;
  socket?.setTimeout(0);
  try {
    await live.waitForChange(watched, index, waitMs, c.req.raw.signal);
  } finally {
    socket?.setTimeout(SOCKET_IDLE_MS);
  }
}
