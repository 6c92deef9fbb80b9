/** An expression whose types are known to be right. */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { ForEach } from '../../model/alert.ts';
import type { Place } from '../rules/place.ts';

/** A call of a function over time, with its constant arguments: `avg_over("memory_usage", "10m")`. */
export interface WindowCall {
  readonly kind: 'avg_over' | 'min_over' | 'max_over' | 'rate' | 'predict';
  /** A usage, `tasks`, `score`, or a custom metric. */
  readonly metric: string;
  readonly windowMs: number;
  /** Of `predict`: how far ahead. */
  readonly aheadMs: number | undefined;
}

export interface CheckedExpression {
  readonly text: string;
  readonly forEach: ForEach;
  readonly ast: ASTNode;
  /** CEL's name of the type of its value: `bool` for a condition. */
  readonly type: string;
  readonly windows: readonly WindowCall[];
  /** Where it begins in the rule file. */
  readonly place: Place | undefined;
}
