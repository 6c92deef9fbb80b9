/** How many workers get a thread of their own, and why. */
import { aimOf, FIRST_WORKERS, type LanePlan, laneLimitOf } from '../../engine/lanes/lane-plan.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import { section, table } from '../text/table.ts';
import { count, countOf } from '../text/units.ts';
import type { LanePlanView } from './internal-state-view.ts';
import type { LaneLimitView } from './views.ts';

const SETTING = 'MAX_DEDICATED_LANES';

/** For the start: one line. */
export function lanePlanText({ dedicated, isSet, shared, byCores, budget }: LanePlan): string {
  const limits = limitsOf({ byCores, budget }).map(({ resource, lanes }) => `${resource}: ${count(lanes)}`);
  const reason = isSet ? SETTING : limits.join(', ');
  const threads = countOf(shared, 'thread');
  if (dedicated === 0) return `Lanes: all workers share ${threads} (${reason})`;
  const own =
    dedicated === 1 ? '1 worker gets a thread of its own' : `${count(dedicated)} workers get a thread of their own`;
  return `Lanes: up to ${own} (${reason}); the others share ${threads}`;
}

/** The same for programs that read the log. */
export function lanePlanFields(plan: LanePlan): Record<string, unknown> {
  const { dedicated, shared } = plan;
  return {
    dedicated,
    shared,
    limitedBy: laneLimitOf(plan, false).limitedBy,
    machine: Object.fromEntries(limitsOf(plan).map(({ resource, lanes }) => [resource, lanes])),
  };
}

/** Of what `auto` wants and of the system, the least first. */
function limitsOf({ byCores, budget }: Pick<LanePlanView, 'byCores' | 'budget'>) {
  const { limitedBy, lanes } = aimOf({ byCores });
  return [{ resource: limitedBy, setting: SETTING, lanes }, ...budget.allowances].sort((a, b) => a.lanes - b.lanes);
}

/** What keeps the number of lanes where it is. */
export function laneLimitText({ limitedBy, setting, isMemoryShort }: LaneLimitView): string {
  const limit = REASONS.get(limitedBy)?.(setting) ?? `${limitedBy}: ${setting}`;
  return isMemoryShort ? `${limit}; memory is short, no more are started` : limit;
}

/** All others are of the system. */
const REASONS: ReadonlyMap<string, (setting: string) => string> = new Map([
  [SETTING, (setting) => setting],
  ['cores', (setting) => `as many as the cores run well; ${setting} changes it`],
  ['first workers', (setting) => `${FIRST_WORKERS} at least on any number of cores; ${setting} changes it`],
]);

/** Each limit with what it is called where it can be raised, the least first. */
export function threadBudgetSection(plan: LanePlanView, page = ENDLESS_PAGE): string {
  const columns = [
    { title: 'LIMIT' },
    { title: 'SET BY', shortensTo: 12 },
    { title: 'LANES', align: 'right' },
  ] as const;
  const rows = limitsOf(plan).map(({ resource, setting, lanes }) => [resource, setting, count(lanes)]);
  return section('Thread budget', (inner) => table(columns, rows, inner), page);
}
