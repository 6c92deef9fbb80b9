/** `pulselane token …`: tokens of workers and of the HTTP API. */
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import type { Streams } from '../streams.ts';
import { createCommand } from './create.ts';
import { listCommand } from './list.ts';
import { revokeCommand } from './revoke.ts';
import { rotateCommand } from './rotate.ts';

export function tokenCommand(streams: Streams, clock: Clock): Command {
  return new Command('token')
    .description('tokens of workers and of the HTTP API')
    .addCommand(createCommand(streams, clock))
    .addCommand(listCommand(streams, clock))
    .addCommand(revokeCommand(streams, clock))
    .addCommand(rotateCommand(streams, clock));
}
