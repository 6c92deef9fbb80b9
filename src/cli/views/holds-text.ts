/** What keeps a master from judging who is alive, in one line each. */
import type { Holds } from '../../model/holds.ts';
import { count, instant } from '../text/units.ts';

export function holdsLines({ graceEndsUnixMs, brakes }: Holds): string[] {
  const grace =
    graceEndsUnixMs === undefined
      ? []
      : [`grace after the restart until ${instant(graceEndsUnixMs)}: nobody is called inactive before`];
  return grace.concat(
    brakes.map(({ group, sinceUnixMs, silent, watched }) => {
      const whose = group === '' ? 'workers of no group' : `group ${group}`;
      return (
        `mass failure: ${count(silent)} of ${count(watched)} ${whose} fell silent at once, ` +
        `not judged since ${instant(sinceUnixMs)}`
      );
    }),
  );
}
