/**
 * Heartbeats as JSON over HTTP as most people would take them: Hono, a schema of zod, a Map; one thread for all. No lanes, no
 * liveness, no limits, and a list with one wrong heartbeat is refused as a whole.
 */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { z } from 'zod';

const Task = z.object({
  task_id: z.string(),
  cpu_allocated: z.number().optional(),
  memory_allocated: z.number().optional(),
  gpu_allocated: z.number().optional(),
  status: z.string().optional(),
});
const Heartbeat = z.object({
  worker_id: z.string().min(1).max(256),
  cpu_usage: z.number().min(0).optional(),
  memory_usage: z.number().min(0).optional(),
  storage_usage: z.number().min(0).optional(),
  gpu_usage: z.number().min(0).optional(),
  running_tasks: z.array(Task).optional(),
  metrics: z.record(z.string(), z.number()).optional(),
  sequence: z.int().min(0).optional(),
});
const Heartbeats = z.array(Heartbeat);

export class ZodServer {
  readonly #workers = new Map<string, z.infer<typeof Heartbeat> & { last_update: number }>();
  accepted = 0;

  /** @returns the port */
  listen(): Promise<number> {
    const app = new Hono();
    app.post('/api/v1/heartbeats', async (c) => {
      const body: unknown = await c.req.json();
      const parsed = Array.isArray(body) ? Heartbeats.safeParse(body) : Heartbeat.safeParse(body);
      if (!parsed.success) return c.json({ error: z.prettifyError(parsed.error) }, 400);
      const heartbeats = Array.isArray(parsed.data) ? parsed.data : [parsed.data];
      for (const heartbeat of heartbeats) {
        this.#workers.set(heartbeat.worker_id, { ...heartbeat, last_update: Math.floor(Date.now() / 1000) });
      }
      this.accepted += heartbeats.length;
      return c.json({ accepted: heartbeats.length, refused: [] });
    });
    return new Promise((resolve) => {
      serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => resolve(port));
    });
  }
}
