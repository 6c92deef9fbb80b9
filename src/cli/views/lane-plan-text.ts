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
  const reason = isSet ? `set by ${SETTING}` : limitsText({ byCores, budget });
  const threads = countOf(shared, 'thread');
  if (dedicated === 0) return `Lanes: all workers share ${threads}, ${reason}`;
  const own =
    dedicated === 1
      ? '1 worker can have a thread of its own'
      : `${count(dedicated)} workers can have a thread of their own`;
  return `Lanes: ${own}, ${reason}; the others share ${threads}`;
}

/** The numbers are of workers, not of cores or of memory: each but the one that binds says so. */
function limitsText(plan: Pick<LanePlanView, 'byCores' | 'budget'>): string {
  const names = limitsOf(plan).map(({ resource, lanes }) => ({
    name: resource === 'first workers' ? 'cores' : resource,
    lanes,
  }));
  const [binding, ...others] = names;
  const allowed = others.map(({ name, lanes }, index) => {
    const verb = name.endsWith('s') ? 'allow' : 'allows';
    return index === 0 ? `${name} ${verb} ${count(lanes)}` : `${name} ${count(lanes)}`;
  });
  return `limited by ${binding?.name}${allowed.length === 0 ? '' : ` (${allowed.join('; ')})`}`;
}

/** The same for programs that read the log. `allowedBy`: how many workers could have a thread of their own by each limit. */
export function lanePlanFields(plan: LanePlan): Record<string, unknown> {
  const { dedicated, shared } = plan;
  return {
    dedicatedLanes: dedicated,
    sharedLanes: shared,
    limitedBy: laneLimitOf(plan, false).limitedBy,
    allowedBy: Object.fromEntries(limitsOf(plan).map(({ resource, lanes }) => [resource, lanes])),
  };
}

/** Of what `auto` wants and of the system, the least first. */
function limitsOf({ byCores, budget }: Pick<LanePlanView, 'byCores' | 'budget'>) {
  const { limitedBy, lanes } = aimOf({ byCores });
  return [{ resource: limitedBy, setting: SETTING, lanes }, ...budget.allowances].sort((a, b) => a.lanes - b.lanes);
}

/** What keeps the number of lanes where it is. */
export function laneLimitText({ limitedBy, setting, isMemoryShort }: LaneLimitView): string {
  const limit = REASONS.get(limitedBy)?.(setting) ?? `limited by ${limitedBy}: ${setting}`;
  return isMemoryShort ? `${limit}; memory is short, no more are started` : limit;
}

/** All others are of the system. */
const REASONS: ReadonlyMap<string, (setting: string) => string> = new Map([
  [SETTING, (setting) => `set by ${setting}`],
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
