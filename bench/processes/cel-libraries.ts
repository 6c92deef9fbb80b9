/** The same expressions, evaluated by the two CEL libraries for JavaScript, a million times each. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Environment } from '@marcbachmann/cel-js';
import { answerParent } from '../lib/child.ts';

/** One evaluation compares, one joins comparisons, one looks into a map. */
const EXPRESSIONS = [
  'cpu_usage > 90.0',
  'cpu_usage > 90.0 && memory_usage < 50.0 || state == "inactive"',
  'labels.zone == "a"',
];
/** Changes from one evaluation to the next, so that no result can be kept. */
const FACTS = Array.from({ length: 64 }, (_, n) => ({
  cpu_usage: 60 + n,
  memory_usage: 80 - n,
  state: n % 7 === 0 ? 'inactive' : 'active',
  labels: { zone: n % 2 === 0 ? 'a' : 'b' },
}));

export interface CelTimes {
  /** Of all evaluations, per million, in ms. */
  readonly marcbachmannMs: number;
  readonly bufbuildMs: number;
  /** A loop over the same expressions in JavaScript. */
  readonly plainMs: number;
}

type Evaluate = (facts: (typeof FACTS)[number]) => unknown;

async function measure({ evaluations }: { evaluations: number }): Promise<CelTimes> {
  const bufbuild = await bufbuildEvaluators();
  const times = (evaluators: readonly Evaluate[]) => timePerMillion(evaluators, evaluations);
  return {
    marcbachmannMs: times(marcbachmannEvaluators()),
    bufbuildMs: times(bufbuild),
    plainMs: times([
      ({ cpu_usage: cpu }) => cpu > 90,
      ({ cpu_usage: cpu, memory_usage: memory, state }) => (cpu > 90 && memory < 50) || state === 'inactive',
      ({ labels }) => labels.zone === 'a',
    ]),
  };
}

function marcbachmannEvaluators(): Evaluate[] {
  const environment = new Environment()
    .registerVariable('cpu_usage', 'double')
    .registerVariable('memory_usage', 'double')
    .registerVariable('state', 'string')
    .registerVariable('labels', 'map<string, string>');
  return EXPRESSIONS.map((text) => environment.parse(text));
}

/** A tool of the tests, so that it is found from there. */
async function bufbuildEvaluators(): Promise<Evaluate[]> {
  const path = createRequire(new URL('../../test/package.json', import.meta.url)).resolve('@bufbuild/cel');
  const { celEnv, parse, plan } = (await import(pathToFileURL(path).href)) as {
    readonly celEnv: () => unknown;
    readonly parse: (text: string) => unknown;
    readonly plan: (env: unknown, expression: unknown) => Evaluate;
  };
  const environment = celEnv();
  return EXPRESSIONS.map((text) => plan(environment, parse(text)));
}

function timePerMillion(evaluators: readonly Evaluate[], evaluations: number): number {
  let held = 0;
  const run = (count: number) => {
    for (let n = 0; n < count; n++) {
      const evaluate = evaluators[n % evaluators.length] as Evaluate;
      if (evaluate(FACTS[n % FACTS.length] as (typeof FACTS)[number]) === true) held++;
    }
  };
  // Compiled by then.
  run(Math.ceil(evaluations / 10));
  held = 0;
  const begin = process.hrtime.bigint();
  run(evaluations);
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  if (held === 0 || held === evaluations) throw new Error('the expressions do not tell facts apart');
  return (ms * 1e6) / evaluations;
}

const calls = { measure };
export type CelCalls = typeof calls;
answerParent(calls, async () => {});
