/** Generates the dashboards of deploy/grafana/dashboards/: `npm run generate`. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dashboardOf } from './grafana/dashboard.ts';
import { FLEET } from './grafana/fleet.ts';
import { HISTORY } from './grafana/history.ts';
import { WORKER } from './grafana/worker.ts';

export const FOLDER = fileURLToPath(new URL('../deploy/grafana/dashboards/', import.meta.url));

export const PLANS = [FLEET, WORKER, HISTORY] as const;

/** File names and contents. */
export function dashboardFiles(): Map<string, string> {
  return new Map(PLANS.map((plan) => [`${plan.uid}.json`, `${JSON.stringify(dashboardOf(plan), undefined, 2)}\n`]));
}

if (import.meta.main) for (const [name, text] of dashboardFiles()) writeFileSync(FOLDER + name, text);
