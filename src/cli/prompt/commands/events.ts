import { DEFAULT_EVENTS, eventCount, eventsText } from '../../views/events-text.ts';
import { eventRows } from '../../views/from-master.ts';
import { expectArgs, type PromptCommand } from '../command.ts';

export const events: PromptCommand = {
  names: ['events'],
  usage: 'events [<n>]',
  help: 'recent events, the newest last',
  run(args, { operator, page }) {
    const [howMany = String(DEFAULT_EVENTS)] = expectArgs(args, 0, 1);
    return eventsText(eventRows(operator, eventCount(howMany)), {}, page());
  },
};
