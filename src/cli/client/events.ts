/** `pulselane events [n]`: what happened to the workers of a running master, as far back as it has history. */
import type { Command } from 'commander';
import { checkWorkerId } from '../../model/worker-id.ts';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { EVENT_FIELDS, eventItemsOf, eventRowOf } from '../views/event-items.ts';
import { DEFAULT_EVENTS, eventCount, eventsText, MAX_EVENTS } from '../views/events-text.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';
import { addRangeOptions, type RangeFlags, rangeOfFlags } from './time-range.ts';

interface EventFlags extends RangeFlags {
  readonly worker?: string;
}

export function eventsCommand({ streams, clock }: ClientEnvironment): Command {
  const command = addRangeOptions(
    clientCommand('events', 'show what happened to the workers of a running master', LIST_FORMATS),
    'as far back as there is history',
  ).option('--worker <id>', 'only events of this worker; it may be a forgotten one');
  command.argument('[n]', `how many events, the newest (default: ${DEFAULT_EVENTS}, and ${MAX_EVENTS} of a range)`);
  command.addHelpText(
    'after',
    examples(
      'pulselane events',
      'pulselane events 1000 -o jsonl',
      'pulselane events --last 7d --worker worker-1',
      'pulselane events --from 2026-11-23T08:00:00Z --to 2026-11-23T09:00:00Z -o csv',
    ),
  );
  return command.action(async (howMany: string | undefined) => {
    const flags = command.opts<EventFlags>();
    const range = rangeOfFlags(flags, { nowMs: clock.wallMs(), defaultLast: undefined });
    const { worker } = flags;
    if (worker !== undefined) checkWorkerId(worker);
    const hasRange = Object.keys(range).length > 0;
    const limit = howMany === undefined ? (hasRange ? MAX_EVENTS : DEFAULT_EVENTS) : eventCount(howMany);
    const parameters = { limit: String(limit), ...range, ...(worker === undefined ? {} : { worker }) };
    const events = eventItemsOf(await apiClientOf(command, clock).events(parameters));
    const rows = events.map(eventRowOf);
    const shown = { isFiltered: hasRange || worker !== undefined, isCut: hasRange && rows.length === limit };
    const text = (page: Parameters<typeof eventsText>[2]) => eventsText(rows, shown, page);
    printAnswer({ json: { events }, items: events, fields: EVENT_FIELDS, text }, command, streams);
  });
}
