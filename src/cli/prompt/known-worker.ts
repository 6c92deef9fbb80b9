import { PulselaneError } from '../../lib/errors.ts';
import { workerDetail } from '../views/from-master.ts';
import type { WorkerDetailView } from '../views/views.ts';
import type { PromptContext } from './command.ts';

/** @throws PulselaneError `not_found` */
export function knownWorker({ operator, clock }: PromptContext, workerId: string): WorkerDetailView {
  const detail = workerDetail(operator, clock, workerId);
  if (detail === undefined) {
    throw new PulselaneError('not_found', `no worker is called ${workerId}; "workers" shows all`);
  }
  return detail;
}
