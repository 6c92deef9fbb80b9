/** Which alerts a command shows: as flags of a client command, and as words at the prompt. */
import type { Command } from 'commander';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { ALERT_STATES } from '../model/alert.ts';
import { parseMatcher } from '../model/label-matchers.ts';
import type { QueryPairs } from './client/api.ts';

export interface AlertFlags {
  readonly all?: boolean | undefined;
  readonly state?: string | undefined;
  readonly severity?: string | undefined;
  readonly rule?: string | undefined;
  readonly group?: string | undefined;
  readonly worker?: string | undefined;
  readonly filter?: readonly string[] | undefined;
}

/** Resolved alerts are over: who looks at alerts looks at what is to be done. */
const CURRENT_STATES = 'firing,pending';

export function addAlertFilters(command: Command): Command {
  return command
    .option('--severity <severities>', 'only alerts of these severities, separated by commas')
    .option('--rule <name>', 'only alerts of this rule')
    .option('--group <name>', 'only alerts about this group and its workers; "": about workers without a group')
    .option(
      '--filter <matcher>',
      'only alerts with this label: worker=~"rack-7-.*"; may be given several times',
      (text: string, others: readonly string[] = []) => [...others, text],
    );
}

/**
 * As the parameters of the API.
 * @throws PulselaneError `invalid_argument`, naming the flag
 */
export function alertParameters(flags: AlertFlags): QueryPairs {
  const { all, state, filter = [] } = flags;
  for (const text of filter) {
    try {
      parseMatcher(text);
    } catch (error) {
      throw new PulselaneError('invalid_argument', `--filter ${JSON.stringify(text)}: ${messageOf(error)}`);
    }
  }
  const states = state ?? (all === true ? undefined : CURRENT_STATES);
  for (const name of states?.split(',') ?? []) {
    if (!(ALERT_STATES as readonly string[]).includes(name)) {
      throw new PulselaneError(
        'invalid_argument',
        `--state ${JSON.stringify(state)}: expected one or several of ${ALERT_STATES.join(', ')}`,
      );
    }
  }
  return [
    ...(states === undefined ? [] : [['state', states] as const]),
    ...(['severity', 'rule', 'group', 'worker'] as const).flatMap((name) => {
      const value = flags[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
    ...filter.map((text) => ['filter', text] as const),
  ];
}
