/**
 * A process that evaluates a rule as fast as it can until it is killed: `node evaluating-process.ts FILE`. What it would send, it
 * writes into a table of its own, in the transaction of each evaluation, as a queue does. It prints the number of each evaluation
 * that is stored.
 */
import { randomInt } from 'node:crypto';
import { Cycle } from '../../src/alerts/cycle.ts';
import { AlertStates } from '../../src/alerts/state/alert-states.ts';
import { AlertStore } from '../../src/alerts/store/alert-store.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { quietNotices } from './quiet-notices.ts';
import { evaluated, type FoundOf, rule, ruleSet } from './rules.ts';

const WORKERS = Array.from({ length: 200 }, (_, n) => `worker-${n}`);

/** A second passes with each timer, at once. */
function hastyClock(): Clock {
  let nowMs = 0;
  const after = (_delayMs: number, fn: () => void) => {
    const timer = setImmediate(() => {
      nowMs += 1000;
      fn();
    });
    return { cancel: () => clearImmediate(timer) };
  };
  return { monotonicMs: () => nowMs, wallMs: () => 1_700_000_000_000 + nowMs, after, every: after };
}

async function run(path: string): Promise<void> {
  const clock = hastyClock();
  const states = new AlertStates({ noDataAfterMs: 20_000 });
  const store = new AlertStore({ path, clock, onLoss: (message) => process.stdout.write(`loss: ${message}\n`) });
  const unsent: string[][] = [];
  let evaluations = 0;
  const verdicts = ['holds', 'holds', 'holds', 'fails', 'no_data', 'held'] as const;
  const found = (): FoundOf =>
    Object.fromEntries(WORKERS.map((name) => [name, verdicts[randomInt(verdicts.length)] ?? 'holds']));
  const cycle = new Cycle({
    evaluation: {
      load: () => {},
      evaluate: async (rules) => {
        evaluations++;
        return rules.map((one) => evaluated(one, found()));
      },
    },
    notices: quietNotices({
      read: () => {},
      plan: ({ transitions }) => {
        for (const { record, from, to } of transitions) {
          if (to === 'firing' || from === 'firing') unsent.push([record.id, to]);
        }
      },
      write: (connection) => {
        connection.exec(
          'CREATE TABLE IF NOT EXISTS sent (n INTEGER PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL)',
        );
        for (const [id = '', state = ''] of unsent.splice(0)) {
          connection.run('INSERT INTO sent (id, state) VALUES (?, ?)', id, state);
        }
      },
    }),
    states,
    store,
    clock,
    attentiveMs: () => clock.monotonicMs(),
    onDone: () => process.stdout.write(`${evaluations}\n`),
    onLoss: (message) => process.stdout.write(`loss: ${message}\n`),
    onError: (error) => {
      throw error;
    },
  });
  const rules = [rule('Now', { keepFiringForMs: 1000 }), rule('Later', { forMs: 2000 })];
  await cycle.load(ruleSet(rules, { evaluationIntervalMs: 1000 }));
}

if (process.argv[1] === import.meta.filename) await run(process.argv[2] as string);
