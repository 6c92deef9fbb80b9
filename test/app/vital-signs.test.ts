import { expect, test } from 'vitest';
import { stuckPart, type VitalSigns } from '../../src/app/vital-signs.ts';

const lane = (state: VitalSigns['lanes'][number]['state'], workers = 1) => ({ state, workers });

test.each<[VitalSigns['lanes'], VitalSigns['httpAnswers'], string | undefined]>([
  [[], true, undefined],
  [[], undefined, undefined],
  [[], false, 'the HTTP thread does not answer'],
  [[lane('ready'), lane('restarting')], true, undefined],
  [[lane('restarting'), lane('starting')], true, 'no lane takes heartbeats'],
  // Nobody waits for them.
  [[lane('restarting', 0)], true, undefined],
  // For the fault of its worker, and released by time or an operator.
  [[lane('quarantined')], undefined, undefined],
  [[lane('quarantined'), lane('restarting')], undefined, 'no lane takes heartbeats'],
  [[lane('draining'), lane('stopped')], true, undefined],
])('%j with HTTP %s: %s', (lanes, httpAnswers, stuck) => {
  expect(stuckPart({ lanes, httpAnswers })).toBe(stuck);
});
