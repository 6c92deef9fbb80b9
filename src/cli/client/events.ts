/** `pulselane events [n]`: what happened to the workers of a running master. */
import type { Command } from 'commander';
import { examples } from '../help-text.ts';
import { printAnswer } from '../output/answer.ts';
import { SHOW_FORMATS } from '../output/format.ts';
import { wrapLines } from '../text/wrap.ts';
import { DEFAULT_EVENTS, eventCount, eventsText } from '../views/events-text.ts';
import { eventsOf } from '../views/from-api.ts';
import { apiClientOf, type ClientEnvironment, clientCommand } from './client-command.ts';

export function eventsCommand({ streams, clock }: ClientEnvironment): Command {
  const command = clientCommand(
    'events',
    'show recent events of the workers of a running master',
    SHOW_FORMATS,
  ).argument('[n]', 'how many events, the newest', String(DEFAULT_EVENTS));
  command.addHelpText('after', examples('pulselane events', 'pulselane events 1000 -o json'));
  return command.action(async (howMany: string) => {
    const answer = await apiClientOf(command, clock).events(eventCount(howMany));
    const rows = eventsOf(answer);
    printAnswer({ json: answer.body, text: (page) => wrapLines(eventsText(rows), page.columns) }, command, streams);
  });
}
