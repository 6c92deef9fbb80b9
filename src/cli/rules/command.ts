/** `pulselane rules …`: files of alerting rules, checked and tried before a master reads them; the rules of a running master. */
import { Command } from 'commander';
import type { Clock } from '../../lib/clock.ts';
import type { Streams } from '../streams.ts';
import { lintCommand } from './lint.ts';
import { listCommand } from './list.ts';
import { testCommand } from './test.ts';

export function rulesCommand(streams: Streams, clock: Clock): Command {
  return new Command('rules')
    .description('check and try files of alerting rules, and list those of a running master')
    .addCommand(lintCommand(streams))
    .addCommand(listCommand({ streams, clock }))
    .addCommand(testCommand(streams, clock));
}
