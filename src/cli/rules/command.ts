/** `pulselane rules …`: files of alerting rules, checked and tried without a master. */
import { Command } from 'commander';
import type { Streams } from '../streams.ts';
import { lintCommand } from './lint.ts';

export function rulesCommand(streams: Streams): Command {
  return new Command('rules').description('check and try files of alerting rules').addCommand(lintCommand(streams));
}
