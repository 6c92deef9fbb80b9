import type { OperatedAlerts } from '../../app/operator.ts';
import { PulselaneError } from '../../lib/errors.ts';
import type { PromptContext } from './command.ts';

/** @throws PulselaneError `failed_precondition` if they are off */
export function operatedAlerts({ operator }: Pick<PromptContext, 'operator'>): OperatedAlerts {
  if (operator.alerts !== undefined) return operator.alerts;
  throw new PulselaneError('failed_precondition', 'alerts are off (ALERTS=off): the master evaluates no rules');
}
