/** `pulselane events [n]`: what happened to the workers of a running master. */
import type { Command } from 'commander';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { LIST_FORMATS } from '../output/format.ts';
import { EVENT_FIELDS, eventItemsOf, eventRowOf } from '../views/event-items.ts';
import { DEFAULT_EVENTS, eventCount, eventsText } from '../views/events-text.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function eventsCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand('events', 'show recent events of the workers of a running master', LIST_FORMATS);
  command.argument('[n]', 'how many events, the newest', String(DEFAULT_EVENTS));
  command.addHelpText(
    'after',
    examples('pulselane events', 'pulselane events 1000 -o json', 'pulselane events 1000 -o jsonl'),
  );
  return command.action(async (howMany: string) => {
    const events = eventItemsOf(await apiClientOf(command, clock).events(eventCount(howMany)));
    const rows = events.map(eventRowOf);
    const text = (page: Parameters<typeof eventsText>[1]) => eventsText(rows, page);
    printAnswer({ json: { events }, items: events, fields: EVENT_FIELDS, text }, command, streams);
  });
}
