/** What expressions read, column by column: element n of each column is the value of subject n. */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { AggregateCall, CheckedExpression, WindowCall } from './checked.ts';

/** One value that an expression reads of each subject. */
export type FactRef =
  | { readonly of: 'name'; readonly name: string }
  | { readonly of: 'metric'; readonly name: string }
  | { readonly of: 'label'; readonly name: string }
  | { readonly of: 'call'; readonly call: WindowCall | AggregateCall };

export interface FactColumns {
  /** Only this many elements of each column count. Those of rows without a subject are anything. */
  readonly rows: number;
  /** NaN: the subject lacks it. */
  numbers(ref: FactRef): Float64Array;
  /** 0, 1, or 2: the subject lacks it. */
  flags(ref: FactRef): Uint8Array;
  texts(ref: FactRef): readonly (string | undefined)[];
}

/** Equal for equal facts. */
export function keyOf(ref: FactRef): string {
  if (ref.of !== 'call') return `${ref.of} ${ref.name}`;
  const { call } = ref;
  switch (call.kind) {
    case 'count':
      return `count ${call.state}`;
    case 'avg':
    case 'max':
      return `${call.kind} ${call.field}`;
    default:
      return `${call.kind} ${call.windowMs} ${call.aheadMs ?? 0} ${call.metric}`;
  }
}

/** What a node reads, if it is a name, a member of `metrics` or `labels`, or a call with constant arguments. */
export function refOf(node: ASTNode, { calls, names }: CheckedExpression): FactRef | undefined {
  const call = calls.get(node);
  if (call !== undefined) return { of: 'call', call };
  // Else it is a variable that a macro declares.
  if (node.op === 'id') return names.includes(node.args) ? { of: 'name', name: node.args } : undefined;
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [map, member] = node.args;
  const name = typeof member === 'string' ? member : member.op === 'value' ? member.args : undefined;
  if (map.op !== 'id' || typeof name !== 'string') return undefined;
  if (map.args === 'metrics') return { of: 'metric', name };
  return map.args === 'labels' ? { of: 'label', name } : undefined;
}

export interface Part {
  readonly text: string;
  readonly ref: FactRef;
  readonly node: ASTNode;
}

/** Every value that an expression reads, in the order of its text. The same value may come several times. */
export function partsOf(expression: CheckedExpression): readonly Part[] {
  const parts: Part[] = [];
  const walk = (node: ASTNode) => {
    const ref = refOf(node, expression);
    if (ref !== undefined) {
      const { start, end } = node.range;
      parts.push({ text: node.input.slice(start, end), ref, node });
      return;
    }
    for (const child of childrenOf(node)) walk(child);
  };
  walk(expression.ast);
  return parts.sort((a, b) => a.node.range.start - b.node.range.start);
}

export function childrenOf({ args }: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (value: unknown) => {
    if (Array.isArray(value)) for (const each of value) collect(each);
    else if (typeof value === 'object' && value !== null && 'op' in value) found.push(value as ASTNode);
  };
  collect(args);
  return found;
}
