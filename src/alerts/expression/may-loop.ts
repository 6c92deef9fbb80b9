import type { ASTNode } from '@marcbachmann/cel-js';
import type { CheckedExpression } from './checked.ts';
import { childrenOf } from './facts.ts';

/** Macros walk through lists, one within another; a pattern is tried at each place of a text. */
const LOOPS: ReadonlySet<unknown> = new Set(['exists', 'all', 'exists_one', 'filter', 'map', 'matches']);

/** Whether the expression may take long for a single subject. */
export function mayLoop({ ast }: Pick<CheckedExpression, 'ast'>): boolean {
  const loops = (node: ASTNode): boolean =>
    ((node.op === 'call' || node.op === 'rcall') && LOOPS.has(node.args[0])) || childrenOf(node).some(loops);
  return loops(ast);
}
