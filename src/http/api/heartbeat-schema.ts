/**
 * Describes heartbeats as JSON, for the API's document. Requests are not validated by it: `heartbeats/heartbeat-json.ts`
 * reads them while it writes messages. A test compares the names of both.
 */
import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { ENDED_TASK_OUTCOMES } from '../../model/telemetry.ts';

const number = (description: string) => z.number().nullish().openapi({ description });
const count = (description: string) => z.int().min(0).nullish().openapi({ description });
const text = (description: string) => z.string().nullish().openapi({ description });
const flag = (description: string) => z.boolean().nullish().openapi({ description });
const TIME = 'Milliseconds since 1970, by the worker’s clock.';

const RunningTask = z.strictObject({
  task_id: text('Its id.'),
  cpu_allocated: number('Cores.'),
  memory_allocated: number('GiB.'),
  gpu_allocated: number('Devices.'),
  status: text('`running`, `paused` or `failed`.'),
  started_at_unix_ms: number(TIME),
  progress: number('0 to 1.'),
});

const EndedTask = z.strictObject({
  task_id: z.string().openapi({ description: 'Its id.' }),
  started_at_unix_ms: number(TIME),
  ended_at_unix_ms: number(`${TIME} It tells two runs of one task apart.`),
  outcome: z.enum(ENDED_TASK_OUTCOMES).nullish().openapi({ description: 'How it ended.' }),
  exit_code: z.int().nullish().openapi({ description: 'Negative: the signal that killed it.' }),
  cpu_seconds: number('Used by the task in all.'),
  max_rss_bytes: count('Its largest resident memory.'),
});

const Gpu = z.strictObject({
  index: count('Its index on the machine.'),
  uuid: text('Its uuid.'),
  name: text('Its model.'),
  utilization_percent: number('0 to 100.'),
  memory_used_bytes: number('In use.'),
  memory_total_bytes: number('Its size.'),
  temperature_celsius: number('Temperature.'),
  power_watts: number('Power.'),
  parent_uuid: text('Uuid of the device of which it is a part.'),
});

/** What the worker is: its registration. */
const Worker = z.strictObject({
  worker_ip: text('Its address.'),
  total_cpu: number('Cores.'),
  total_memory: number('GiB.'),
  total_storage: number('GiB.'),
  total_gpu: number('Devices.'),
  labels: z.record(z.string(), z.string().nullable()).nullish().openapi({ description: 'Up to 64.' }),
  group: text('Workers that may fail together, such as a rack or a site.'),
  ephemeral: flag('Forgotten soon after it becomes silent.'),
  agent_version: text('Version of the program that sends.'),
});

export const HeartbeatSchema = z
  .strictObject({
    worker_id: z.string().openapi({ description: 'Required: at most 256 bytes.' }),
    cpu_usage: number('Percent, 0 to 100.'),
    memory_usage: number('Percent, 0 to 100.'),
    storage_usage: number('Percent, 0 to 100.'),
    gpu_usage: number('Percent, 0 to 100.'),
    running_tasks: z.array(RunningTask).nullish().openapi({ description: 'The tasks that it runs at present.' }),
    ended_tasks: z.array(EndedTask).nullish().openapi({
      description: 'Tasks that ended, at most 1000. Repeat each in the next two heartbeats; repeated ones count once.',
    }),
    gpus: z.array(Gpu).nullish().openapi({ description: 'One entry per device.' }),
    metrics: z.record(z.string(), z.number().nullable()).nullish().openapi({ description: 'Custom metrics, by name.' }),
    sequence: count('Counts the heartbeats from 1, so that lost and repeated ones are noticed; 0: not counted.'),
    instance_id: text('Identifies one run of the worker’s process, so that restarts are noticed.'),
    sent_at_unix_ms: number(`${TIME} Shows how far that clock is off.`),
    host_loop_lag_ms: number('How late the program’s event loop runs.'),
    last_round_trip_ms: number('How long the last request took.'),
    leaving: flag('The last heartbeat before the worker leaves.'),
    worker: Worker.nullish().openapi({
      description:
        'What the worker is: labels, group, capacity. Costs little if it is unchanged. A heartbeat without it leaves what is known as it is.',
    }),
  })
  .openapi('Heartbeat', {
    description: 'Of all members only `worker_id` is required; null is the same as absent. Unknown members are errors.',
    example: {
      worker_id: 'worker-1',
      cpu_usage: 14.9,
      memory_usage: 41.2,
      running_tasks: [
        { task_id: 'frame-17', cpu_allocated: 4, memory_allocated: 8, status: 'running', progress: 0.25 },
      ],
      metrics: { frames_rendered: 1024 },
    },
  });

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

export const HeartbeatsAnswerSchema = z
  .object({
    accepted: z.int().openapi({
      description: 'Heartbeats that count as a sign of life, including those marked `heard`.',
    }),
    refused: z
      .array(
        z.object({
          index: z.int().openapi({ description: 'Which heartbeat of the list, from 0.' }),
          worker_id: z.string().openapi({ description: 'Empty if it could not be read.' }),
          code: z.enum(CODES).openapi({ description: 'See the table of errors.' }),
          detail: z.string().openapi({ description: 'For people.' }),
          heard: z.literal(true).optional().openapi({
            description:
              'The heartbeat is accepted: its worker is alive. Only its values, or its registration, were not taken; the last good ones stay.',
          }),
          earlier: z.int().optional().openapi({
            description:
              'The values of this many earlier heartbeats of the worker were rejected after they had been accepted; `detail` is about the last one.',
          }),
          sequence: z.int().optional().openapi({ description: 'The sequence number of that last one.' }),
          retry_after_ms: z.int().optional().openapi({ description: 'How long to wait before the next heartbeat.' }),
        }),
      )
      .openapi({ description: 'At most 1000.' }),
    refused_more: z.int().optional().openapi({ description: 'How many more were refused than are listed.' }),
  })
  .openapi('HeartbeatsAnswer');
