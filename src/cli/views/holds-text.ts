/** What keeps a master from judging who is alive, in one line each. */
import type { Holds } from '../../model/holds.ts';
import { prose } from '../text/table.ts';
import { count, instant } from '../text/units.ts';

export function holdsLines({ graceEndsUnixMs, brakes }: Holds): string[] {
  const grace =
    graceEndsUnixMs === undefined
      ? []
      : [`grace after the restart until ${instant(graceEndsUnixMs)}: no worker becomes inactive before`];
  return grace.concat(
    brakes.map(({ group, sinceUnixMs, endsUnixMs, silent, watched }) => {
      const whose = group === '' ? 'workers of no group or a small one' : `workers of group ${group}`;
      return (
        `brake since ${instant(sinceUnixMs)}: ${count(silent)} of ${count(watched)} ${whose} fell silent at once; they keep ` +
        `their state until most of them report again, until "brake release", or until ${instant(endsUnixMs)}`
      );
    }),
  );
}

/** The same below a list or a worker, where a silent worker would look alive; empty: nothing holds. */
export function holdsBelow(holds: Holds, page: Parameters<typeof prose>[1]): string {
  return holdsLines(holds)
    .map((line) => `\n\n${prose(line, page)}`)
    .join('');
}
