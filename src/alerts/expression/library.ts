/** An expression as CEL's own evaluator computes it, for one subject at a time. */
import { type ASTNode, Environment, EvaluationError } from '@marcbachmann/cel-js';
import type { AlertValue } from '../../model/alert.ts';
import type { CheckedExpression } from './checked.ts';
import { childrenOf, type FactRef } from './facts.ts';
import { listOf } from './types.ts';

/** One subject's values as CEL has them: whole numbers are bigint, others number; undefined: the subject lacks it. */
export interface SubjectValues {
  value(ref: FactRef): number | bigint | string | boolean | undefined;
  metrics(): Readonly<Record<string, number>>;
  labels(): Readonly<Record<string, string>>;
  /** Undefined: it lists none. */
  gpus(): readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** The subject lacks a value that decides. */
export class NoData extends Error {
  constructor(name: string) {
    super(`the subject has no ${name}`);
  }
}

/** @throws NoData; or else what is wrong, see {@link errorText} */
export type LibraryEvaluation = (subject: SubjectValues) => unknown;

const IS_PRESENT = 'pulselane_is_present';
/** Of names that the evaluator reads instead of parts of the text; no name of an expression begins like this. */
const PREFIX = 'pulselane_part_';

/**
 * As rules are checked: whole numbers mix with others, and both are equal if they have the same value. Names are of any type, since the
 * rule's check has found their types.
 */
const environment = testingForValues(
  mixingNumbers(new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false })),
);

function mixingNumbers(mixing: Environment): Environment {
  const calculate: Readonly<Record<string, (a: number, b: number) => number>> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
  };
  for (const [operator, of] of Object.entries(calculate)) {
    const handler = (a: unknown, b: unknown) => of(Number(a), Number(b));
    mixing.registerOperator(`int ${operator} double`, handler);
    mixing.registerOperator(`double ${operator} int`, handler);
  }
  return mixing;
}

/** What the library passes to a macro. */
interface Checker {
  check(node: ASTNode, context: unknown): unknown;
  getType(name: string): unknown;
}
interface Evaluator {
  run(node: ASTNode, context: unknown): unknown;
}

/** CEL's `has` takes members only; this one takes names, elements and calls, too. */
function testingForValues(testing: Environment): Environment {
  const macro = ({ args: [tested] }: { readonly args: readonly [ASTNode] }) => ({
    typeCheck(checker: Checker, _: unknown, context: unknown) {
      checker.check(tested, context);
      return checker.getType('bool');
    },
    evaluate(evaluator: Evaluator, _: unknown, context: unknown) {
      try {
        evaluator.run(tested, context);
        return true;
      } catch (error) {
        if (error instanceof NoData || lacksMember(error)) return false;
        throw error;
      }
    },
  });
  return testing.registerFunction(`${IS_PRESENT}(ast): bool`, macro);
}

export function libraryEvaluation(expression: CheckedExpression): LibraryEvaluation {
  const context: Record<string, unknown> = {};
  let subject: SubjectValues | undefined;
  const define = (name: string, ref: FactRef, text = name) =>
    Object.defineProperty(context, name, { get: () => presentValue(subject as SubjectValues, ref, text) });
  for (const name of expression.names) define(name, { of: 'name', name });
  const evaluate = environment.parse(withParts(expression, define));
  return (of) => {
    subject = of;
    try {
      return evaluate(context);
    } catch (error) {
      throw lacksMember(error) ? new NoData(error.summary) : error;
    } finally {
      subject = undefined;
    }
  };
}

/** The text, with names in place of calls whose arguments are constants, and what CEL's own check would refuse. */
function withParts(expression: CheckedExpression, define: (name: string, ref: FactRef, text: string) => void): string {
  const changes: Change[] = [];
  const { types } = expression;
  const walk = (node: ASTNode) => {
    const { start, end } = node.range;
    const call = expression.calls.get(node);
    if (call !== undefined) {
      const by = `${PREFIX}${changes.length}`;
      define(by, { of: 'call', call }, node.input.slice(start, end));
      changes.push({ start, end, by });
      return;
    }
    if (node.op === 'call' && node.args[0] === 'has') {
      changes.push({ start, end: start + 'has'.length, by: IS_PRESENT });
    }
    // A literal has a fixed type in CEL, so that `1 == x` would be refused for other numbers.
    if (node.op === 'value' && (typeof node.args === 'number' || typeof node.args === 'bigint')) {
      changes.push({ start, end, by: `dyn(${node.input.slice(start, end)})` });
    }
    for (const child of childrenOf(node)) {
      // Of two branches or elements, one whole and one not, the whole one counts as one that is not: as the rule's check says.
      if (widens(node, child, types)) {
        changes.push({ start: child.range.start, end: child.range.start, by: 'double(' });
        changes.push({ start: child.range.end, end: child.range.end, by: ')' });
      }
      walk(child);
    }
  };
  walk(expression.ast);
  return changed(expression.ast.input, changes);
}

interface Change {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** The text with all changes; those at one place in their order, except that what ends there comes before what begins there. */
function changed(text: string, changes: readonly Change[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, by } of [...changes].sort(byPlace)) {
    result += text.slice(at, start) + by;
    at = end;
  }
  return result + text.slice(at);
}

function byPlace(a: Change, b: Change): number {
  return a.start - b.start || Number(a.by !== ')') - Number(b.by !== ')') || a.end - b.end;
}

/** Whether the node has numbers that are not whole for its whole child. */
function widens(node: ASTNode, child: ASTNode, types: CheckedExpression['types']): boolean {
  const type = types.get(node);
  if (types.get(child) !== 'int') return false;
  if (node.op === '?:') return type === 'double' && child !== node.args[0];
  return node.op === 'list' && type === listOf('double');
}

/** @throws NoData */
function presentValue(of: SubjectValues, ref: FactRef, text: string): unknown {
  const value = readOf(of, ref);
  if (value === undefined) throw new NoData(text);
  return value;
}

function readOf(of: SubjectValues, ref: FactRef): unknown {
  if (ref.of !== 'name') return of.value(ref);
  switch (ref.name) {
    case 'metrics':
      return of.metrics();
    case 'labels':
      return of.labels();
    case 'gpus':
      return of.gpus();
    default:
      return of.value(ref);
  }
}

/** A member that a worker lacks is a value that it lacks; one of a list in the expression itself is a mistake of the rule. */
function lacksMember(error: unknown): error is EvaluationError {
  if (!(error instanceof EvaluationError)) return false;
  if (error.code !== 'no_such_key' && error.code !== 'index_out_of_bounds') return false;
  let node = error.node as ASTNode | undefined;
  while (node?.op === '.' || node?.op === '[]') node = node.args[0];
  return node?.op === 'id';
}

/** What is wrong, on one line. */
export function errorText(error: unknown): string {
  if (error instanceof EvaluationError) return error.summary;
  return error instanceof Error ? error.message : String(error);
}

/** What people see of a value of CEL. */
export function shownValue(value: unknown): AlertValue {
  switch (typeof value) {
    case 'number':
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return Number(value);
    default:
      return value === null || value === undefined ? null : String(value);
  }
}
