/** Functions whose arguments are constants: they are resolved when the rule is loaded. */
import type { ASTNode } from '@marcbachmann/cel-js';
import { durationMs, Expected } from '../../config/kinds.ts';
import { WORKER_STATES, type WorkerState } from '../../model/liveness.ts';
import { hasControlCharacter } from '../../model/worker-id.ts';
import type { AggregateCall, WindowCall } from './checked.ts';
import { AGGREGATE_FUNCTIONS, AGGREGATED, NAMES, OVER_TIME, WINDOW_FUNCTIONS } from './names.ts';
import { suggestion } from './near-name.ts';

/** Less is no window: workers send every 5 s. */
export const MIN_WINDOW_MS = 5_000;
/** A week holds each hour of the week once; longer ones are the business of the seasonal baseline, and read many rows. */
export const MAX_WINDOW_MS = 7 * 86_400_000;
export const MIN_AHEAD_MS = 1_000;
/** A straight line says nothing about a time that is further ahead. */
export const MAX_AHEAD_MS = 30 * 86_400_000;

/** Notes a problem of the node. */
export type Complain = (at: ASTNode, message: string) => void;

export function isWindowFunction(name: string): name is keyof typeof WINDOW_FUNCTIONS {
  return Object.hasOwn(WINDOW_FUNCTIONS, name);
}

export function isAggregateFunction(name: string): name is keyof typeof AGGREGATE_FUNCTIONS {
  return Object.hasOwn(AGGREGATE_FUNCTIONS, name);
}

/** @returns undefined after a complaint */
export function windowCall(
  kind: WindowCall['kind'],
  node: ASTNode,
  args: readonly ASTNode[],
  complain: Complain,
): WindowCall | undefined {
  const forms: readonly string[] = WINDOW_FUNCTIONS[kind].arguments;
  if (args.length !== forms.length + 1) {
    complain(node, `${kind} has ${args.length} arguments; expected ${exampleOf(kind)}`);
    return undefined;
  }
  const [metricNode, windowNode, aheadNode] = args as [ASTNode, ASTNode, ASTNode | undefined];
  const metric = fieldIn(metricNode, OVER_TIME, exampleOf(kind), complain);
  const windowMs = durationIn(windowNode, 'window', MIN_WINDOW_MS, MAX_WINDOW_MS, complain);
  const aheadMs =
    aheadNode === undefined ? undefined : durationIn(aheadNode, 'time ahead', MIN_AHEAD_MS, MAX_AHEAD_MS, complain);
  if (metric === undefined || windowMs === undefined || (aheadNode !== undefined && aheadMs === undefined))
    return undefined;
  return { kind, metric, windowMs, aheadMs };
}

/** @returns undefined after a complaint */
export function aggregateCall(
  kind: AggregateCall['kind'],
  node: ASTNode,
  args: readonly ASTNode[],
  complain: Complain,
): AggregateCall | undefined {
  const [first] = args;
  const example = kind === 'count' ? 'count("inactive")' : `${kind}("cpu_usage")`;
  if (first === undefined || args.length > 1) {
    complain(node, `${kind} has ${args.length} arguments; expected ${example}`);
    return undefined;
  }
  if (kind !== 'count') {
    const field = fieldIn(first, AGGREGATED, example, complain);
    return field === undefined ? undefined : { kind, field };
  }
  const state = constantIn(first);
  if (state === undefined) {
    complain(first, `count takes the name of a state; expected ${example}`);
    return undefined;
  }
  if (!(WORKER_STATES as readonly string[]).includes(state)) {
    complain(first, `${JSON.stringify(state)} is not a state of a worker; ${suggestion(state, WORKER_STATES)}`);
    return undefined;
  }
  return { kind, state: state as WorkerState };
}

function exampleOf(kind: WindowCall['kind']): string {
  return kind === 'predict' ? 'predict("storage_usage", "30m", "4h")' : `${kind}("memory_usage", "10m")`;
}

/** A name in quotation marks, a bare name, or `metrics.name`. */
function constantIn(node: ASTNode): string | undefined {
  if (node.op === 'value') return typeof node.args === 'string' ? node.args : undefined;
  if (node.op === 'id') return node.args;
  if (node.op === '.' && node.args[0].op === 'id' && node.args[0].args === 'metrics') return node.args[1];
  if (node.op === '[]' && node.args[0].op === 'id' && node.args[0].args === 'metrics') return constantIn(node.args[1]);
  return undefined;
}

/** A built-in name that is allowed here, or a custom metric: any other text. */
function fieldIn(node: ASTNode, builtIn: readonly string[], example: string, complain: Complain): string | undefined {
  const given = constantIn(node);
  if (given === undefined) {
    complain(node, `expected the name of a metric as a constant: ${example}`);
    return undefined;
  }
  const info = Object.hasOwn(NAMES.worker, given) ? NAMES.worker[given] : undefined;
  if (info !== undefined && !builtIn.includes(given)) {
    const called = example.slice(0, example.indexOf('('));
    complain(node, `${called} does not take ${given}; expected a custom metric or one of ${builtIn.join(', ')}`);
    return undefined;
  }
  if (given === '' || hasControlCharacter(given)) {
    complain(node, `${JSON.stringify(given)} cannot be the name of a metric; expected ${example}`);
    return undefined;
  }
  return given;
}

function durationIn(node: ASTNode, what: string, minMs: number, maxMs: number, complain: Complain): number | undefined {
  if (node.op !== 'value' || typeof node.args !== 'string') {
    complain(node, `the ${what} must be a constant in quotation marks, such as "10m"`);
    return undefined;
  }
  try {
    return durationMs({ minMs, maxMs }).parse(node.args);
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    complain(node, `the ${what} is ${JSON.stringify(node.args)}; expected ${error.message}`);
    return undefined;
  }
}
