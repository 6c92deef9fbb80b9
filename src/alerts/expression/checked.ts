/** An expression whose types are known to be right. */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { ForEach } from '../../model/alert.ts';
import type { WorkerState } from '../../model/liveness.ts';
import type { Place } from '../rules/place.ts';
import type { CelType } from './types.ts';

/** A call of a function over time, with its constant arguments: `avg_over("memory_usage", "10m")`. */
export interface WindowCall {
  readonly kind: 'avg_over' | 'min_over' | 'max_over' | 'rate' | 'predict';
  /** A name of OVER_TIME, or else a custom metric. */
  readonly metric: string;
  readonly windowMs: number;
  /** Of `predict`: how far ahead. */
  readonly aheadMs: number | undefined;
}

/** A call of a function over the workers of a group or of the cluster, with its constant argument. */
export type AggregateCall =
  /** `field`: a name of AGGREGATED, or else a custom metric. */
  { readonly kind: 'avg' | 'max'; readonly field: string } | { readonly kind: 'count'; readonly state: WorkerState };

export interface CheckedExpression {
  readonly text: string;
  readonly forEach: ForEach;
  readonly ast: ASTNode;
  /** CEL's name of the type of its value: `bool` for a condition. */
  readonly type: CelType;
  /**
   * The type of each part, except arguments that are resolved in `calls` and variables that a macro declares. `int` and
   * `double` mix freely; only a division of two `int` is one of whole numbers, as in CEL.
   */
  readonly types: ReadonlyMap<ASTNode, CelType>;
  /** Calls with constant arguments, by their `call` node. Their arguments are not evaluated. */
  readonly calls: ReadonlyMap<ASTNode, WindowCall | AggregateCall>;
  /** Those of `calls` that look back in time. */
  readonly windows: readonly WindowCall[];
  /** Names that it reads, each once. */
  readonly names: readonly string[];
  /** Where it begins in the rule file. */
  readonly place: Place | undefined;
}
