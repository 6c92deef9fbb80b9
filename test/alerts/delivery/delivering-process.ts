/**
 * A process that evaluates and delivers until it is killed: `node delivering-process.ts FILE URL RUN`. At each evaluation, one more
 * worker is hot, for a few evaluations; with the run `none`, none is. It prints a line after each evaluation that is stored.
 */
import { systemClock } from '../../../src/lib/clock.ts';
import { routeOf } from '../../support/notify-rules.ts';
import { rule, ruleSet } from '../rules.ts';
import { DeliveryScene, webhooks } from './delivery-scene.ts';

/** Evaluations for which a worker stays hot. */
const HOT_FOR = 5;

async function run(path: string, url: string, name: string): Promise<void> {
  let evaluation = 0;
  const scene = new DeliveryScene({
    path,
    clock: systemClock,
    found: () => {
      if (name === 'none') return {};
      evaluation++;
      const hot = Array.from({ length: Math.min(HOT_FOR, evaluation) }, (_, i) => `${name}-${evaluation - i}`);
      return Object.fromEntries(hot.map((worker) => [worker, 'holds' as const]));
    },
    onDone: () => process.stdout.write('evaluated\n'),
  });
  await scene.cycle.load(
    ruleSet([rule('Hot')], {
      evaluationIntervalMs: 25,
      receivers: webhooks({ hook: url }),
      route: routeOf({ groupIntervalMs: 0 }),
    }),
  );
}

const [, , path = '', url = '', name = ''] = process.argv;
await run(path, url, name);
