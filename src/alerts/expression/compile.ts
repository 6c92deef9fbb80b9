/**
 * A condition as a function over whole columns of facts: each operator is one loop over all subjects, chosen when the rule is loaded, and
 * no text becomes code. A comparison of 10,000 workers takes some microseconds.
 *
 * It has CEL's semantics for what it covers: comparisons of numbers and texts, arithmetic, `in` a list of constants, logic, `?:` and
 * `has()`. A part that it does not cover (macros, functions of texts) is UNDECIDED, and so is a whole number that a Float64 cannot hold.
 * The logic goes on with that: what the other parts decide is decided, and the rest is asked of CEL's own evaluator (library.ts), subject
 * by subject.
 *
 * A value that a subject lacks is no error but NO_DATA. Like an error in CEL, it makes everything that needs it NO_DATA, except that
 * `false && x` is false and `true || x` is true, in either order. Where both sides are errors or lack values, CEL reports the right one
 * of `&&` and `||`, and the left one of everything else.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { CheckedExpression } from './checked.ts';
import { type FactColumns, type FactRef, refOf } from './facts.ts';

export const FALSE = 0;
export const TRUE = 1;
export const NO_DATA = 2;
export const FAILED = 3;
export const UNDECIDED = 4;

/** @returns FALSE, TRUE, NO_DATA, FAILED or UNDECIDED for each subject; valid until the next call */
export type Condition = (facts: FactColumns) => Uint8Array;

interface NumberColumn {
  readonly values: Float64Array;
  /** NO_DATA, FAILED, UNDECIDED, or 0 for a value; undefined: NaN is NO_DATA, all others are values. */
  readonly status: Uint8Array | undefined;
}

interface Numbers {
  readonly constant: number | undefined;
  readonly of: (facts: FactColumns) => NumberColumn;
}

interface Texts {
  readonly constant: string | undefined;
  readonly of: (facts: FactColumns) => readonly (string | undefined)[];
}

/** @param expression of type bool */
export function compileCondition(expression: CheckedExpression): Condition {
  return new Compiler(expression).condition(expression.ast);
}

class Compiler {
  readonly #expression: CheckedExpression;

  constructor(expression: CheckedExpression) {
    this.#expression = expression;
  }

  condition(node: ASTNode): Condition {
    switch (node.op) {
      case 'value':
        return constant(node.args === true ? TRUE : FALSE);
      case 'id': {
        const ref = refOf(node, this.#expression);
        return ref === undefined ? constant(UNDECIDED) : (facts) => facts.flags(ref);
      }
      case '&&':
        return both(this.condition(node.args[0]), this.condition(node.args[1]), FALSE);
      case '||':
        return both(this.condition(node.args[0]), this.condition(node.args[1]), TRUE);
      case '!_':
        return not(this.condition(node.args));
      case '?:':
        return choice(this.condition(node.args[0]), this.condition(node.args[1]), this.condition(node.args[2]));
      case '<':
      case '<=':
      case '>':
      case '>=':
      case '==':
      case '!=':
        return this.#comparison(node.op, node.args[0], node.args[1]);
      case 'in':
        return this.#membership(node.args[0], node.args[1]);
      case 'call':
        return node.args[0] === 'has' ? this.#presence(node.args[1][0]) : constant(UNDECIDED);
      default:
        return constant(UNDECIDED);
    }
  }

  #comparison(operator: Comparison, left: ASTNode, right: ASTNode): Condition {
    const isEquality = operator === '==' || operator === '!=';
    switch (this.#kindOf(left, right)) {
      case 'number': {
        const numbers = [this.#numbers(left), this.#numbers(right)] as const;
        if (numbers[0] === undefined || numbers[1] === undefined) return constant(UNDECIDED);
        return comparison(operator, numbers[0], numbers[1]);
      }
      case 'string': {
        const texts = [this.#texts(left), this.#texts(right)] as const;
        if (!isEquality || texts[0] === undefined || texts[1] === undefined) return constant(UNDECIDED);
        return textEquality(texts[0], texts[1], operator === '==' ? TRUE : FALSE);
      }
      case 'bool':
        if (!isEquality) return constant(UNDECIDED);
        return equality(this.condition(left), this.condition(right), operator === '==' ? TRUE : FALSE);
      default:
        return constant(UNDECIDED);
    }
  }

  /** Undefined: of different kinds, or neither. */
  #kindOf(left: ASTNode, right: ASTNode): 'number' | 'string' | 'bool' | undefined {
    const [one, other] = [this.#typeOf(left), this.#typeOf(right)];
    if (isNumber(one) && isNumber(other)) return 'number';
    return one === other && (one === 'string' || one === 'bool') ? one : undefined;
  }

  #typeOf(node: ASTNode): string | undefined {
    return this.#expression.types.get(node);
  }

  #membership(value: ASTNode, list: ASTNode): Condition {
    if (list.op !== 'list' || this.#typeOf(value) !== 'string') return constant(UNDECIDED);
    const texts = this.#texts(value);
    const members = list.args.map((each) => (each.op === 'value' ? each.args : undefined));
    if (texts === undefined || !members.every((each) => typeof each === 'string')) return constant(UNDECIDED);
    return isOneOf(texts, new Set(members));
  }

  #presence(node: ASTNode | undefined): Condition {
    const ref = node === undefined ? undefined : refOf(node, this.#expression);
    if (node === undefined || ref === undefined || ref.of === 'call') return constant(UNDECIDED);
    const type = this.#typeOf(node);
    if (isNumber(type)) return present((facts, row) => Number.isNaN(facts.numbers(ref)[row]));
    if (type === 'string') return present((facts, row) => facts.texts(ref)[row] === undefined);
    if (type === 'bool') return present((facts, row) => facts.flags(ref)[row] === NO_DATA);
    return constant(UNDECIDED);
  }

  #texts(node: ASTNode): Texts | undefined {
    if (node.op === 'value') {
      const text = node.args;
      return typeof text === 'string' ? { constant: text, of: () => [] } : undefined;
    }
    const ref = refOf(node, this.#expression);
    return ref === undefined ? undefined : { constant: undefined, of: (facts) => facts.texts(ref) };
  }

  /** Undefined: not covered. */
  #numbers(node: ASTNode): Numbers | undefined {
    const ref = refOf(node, this.#expression);
    if (ref !== undefined) return column(ref);
    switch (node.op) {
      case 'value':
        return numberConstant(node.args);
      case '-_':
        return this.#negated(node.args);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
        return this.#arithmetic(node.op, node.args[0], node.args[1]);
      case '?:': {
        const [one, other] = [this.#numbers(node.args[1]), this.#numbers(node.args[2])];
        if (one === undefined || other === undefined) return undefined;
        return chosen(this.condition(node.args[0]), one, other);
      }
      case 'call': {
        const [name, args] = node.args;
        return name === 'double' && args[0] !== undefined && isNumber(this.#typeOf(args[0]))
          ? this.#numbers(args[0])
          : undefined;
      }
      default:
        return undefined;
    }
  }

  #negated(node: ASTNode): Numbers | undefined {
    const zero = this.#typeOf(node) === 'int' ? 0 : -0;
    const of = this.#numbers(node);
    if (of === undefined) return undefined;
    // −0.0 − x is −x, also for 0.0. A whole number has only one zero.
    return arithmetic((_, value) => zero - value, numberConstant(0) as Numbers, of, false);
  }

  #arithmetic(operator: '+' | '-' | '*' | '/' | '%', left: ASTNode, right: ASTNode): Numbers | undefined {
    const [leftType, rightType] = [this.#typeOf(left), this.#typeOf(right)];
    if (!isNumber(leftType) || !isNumber(rightType)) return undefined;
    const [one, other] = [this.#numbers(left), this.#numbers(right)];
    if (one === undefined || other === undefined) return undefined;
    const isWhole = leftType === 'int' && rightType === 'int';
    if (operator === '%' && !isWhole) return undefined;
    const calculate = operator === '/' && isWhole ? wholeQuotient : CALCULATE[operator];
    return arithmetic(calculate, one, other, isWhole, isWhole && (operator === '/' || operator === '%'));
  }
}

type Comparison = '<' | '<=' | '>' | '>=' | '==' | '!=';

const CALCULATE: Readonly<Record<'+' | '-' | '*' | '/' | '%', (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** Rounded towards zero. Exact up to 2^53, unlike `Math.trunc(a / b)`. */
const wholeQuotient = (a: number, b: number) => (a - (a % b)) / b;

function isNumber(type: string | undefined): boolean {
  return type === 'int' || type === 'double';
}

function column(ref: FactRef): Numbers {
  return { constant: undefined, of: (facts) => ({ values: facts.numbers(ref), status: undefined }) };
}

/** Undefined: it is no number, or a whole number that a Float64 cannot hold. */
function numberConstant(value: unknown): Numbers | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const number = Number(value);
  if (typeof value === 'bigint' && !Number.isSafeInteger(number)) return undefined;
  let values = new Float64Array(0);
  // Only for rows that exist, and NaN cannot be written in CEL.
  return {
    constant: number,
    of: ({ rows }) => {
      if (values.length < rows) values = new Float64Array(roomFor(rows)).fill(number);
      return { values, status: undefined };
    },
  };
}

function constant(value: number): Condition {
  let out = new Uint8Array(0);
  return ({ rows }) => {
    if (out.length < rows) out = new Uint8Array(roomFor(rows)).fill(value);
    return out;
  };
}

/** Columns grow by powers of two, so that workers that come one by one cost little. */
function roomFor(rows: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(rows, 64)));
}

/** A condition that writes each element of its own column. */
function writing(write: (facts: FactColumns, out: Uint8Array) => void): Condition {
  let out = new Uint8Array(0);
  return (facts) => {
    if (out.length < facts.rows) out = new Uint8Array(roomFor(facts.rows));
    write(facts, out);
    return out;
  };
}

/** @param decided FALSE for `&&`, TRUE for `||`: either side alone decides with it */
function both(left: Condition, right: Condition, decided: number): Condition {
  return writing((facts, out) => {
    const one = left(facts);
    const other = right(facts);
    for (let row = 0; row < facts.rows; row++) {
      const a = one[row] as number;
      const b = other[row] as number;
      if (a === decided || b === decided) out[row] = decided;
      else if (a === UNDECIDED || b === UNDECIDED) out[row] = UNDECIDED;
      else out[row] = b > TRUE ? b : a;
    }
  });
}

function not(condition: Condition): Condition {
  return writing((facts, out) => {
    const values = condition(facts);
    for (let row = 0; row < facts.rows; row++) {
      const value = values[row] as number;
      out[row] = value > TRUE ? value : 1 - value;
    }
  });
}

function choice(condition: Condition, one: Condition, other: Condition): Condition {
  return writing((facts, out) => {
    const chosen = condition(facts);
    const ifTrue = one(facts);
    const ifFalse = other(facts);
    for (let row = 0; row < facts.rows; row++) {
      const value = chosen[row] as number;
      out[row] = value > TRUE ? value : ((value === TRUE ? ifTrue : ifFalse)[row] as number);
    }
  });
}

function equality(left: Condition, right: Condition, ifEqual: number): Condition {
  return writing((facts, out) => {
    const one = left(facts);
    const other = right(facts);
    for (let row = 0; row < facts.rows; row++) {
      const a = one[row] as number;
      const b = other[row] as number;
      if (a > TRUE) out[row] = a;
      else if (b > TRUE) out[row] = b;
      else out[row] = a === b ? ifEqual : 1 - ifEqual;
    }
  });
}

function present(isMissing: (facts: FactColumns, row: number) => boolean): Condition {
  return writing((facts, out) => {
    for (let row = 0; row < facts.rows; row++) out[row] = isMissing(facts, row) ? FALSE : TRUE;
  });
}

function textEquality(left: Texts, right: Texts, ifEqual: number): Condition {
  return writing((facts, out) => {
    const one = left.constant === undefined ? left.of(facts) : undefined;
    const other = right.constant === undefined ? right.of(facts) : undefined;
    for (let row = 0; row < facts.rows; row++) {
      const a = one === undefined ? left.constant : one[row];
      const b = other === undefined ? right.constant : other[row];
      if (a === undefined || b === undefined) out[row] = NO_DATA;
      else out[row] = a === b ? ifEqual : 1 - ifEqual;
    }
  });
}

function isOneOf(texts: Texts, members: ReadonlySet<unknown>): Condition {
  return writing((facts, out) => {
    const values = texts.constant === undefined ? texts.of(facts) : undefined;
    for (let row = 0; row < facts.rows; row++) {
      const value = values === undefined ? texts.constant : values[row];
      if (value === undefined) out[row] = NO_DATA;
      else out[row] = members.has(value) ? TRUE : FALSE;
    }
  });
}

/** The same comparison with its sides exchanged. */
const MIRRORED = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==', '!=': '!=' } as const;

function comparison(operator: Comparison, left: Numbers, right: Numbers): Condition {
  if (left.constant !== undefined && right.constant === undefined) {
    return comparison(MIRRORED[operator], right, left);
  }
  const compareWith = right.constant === undefined ? undefined : WITH_CONSTANT[operator];
  const compare = COMPARE[operator];
  return writing((facts, out) => {
    const { values, status } = left.of(facts);
    if (status === undefined && compareWith !== undefined) {
      compareWith(values, right.constant as number, out, facts.rows);
      return;
    }
    const other = right.of(facts);
    for (let row = 0; row < facts.rows; row++) {
      const a = values[row] as number;
      const b = other.values[row] as number;
      const missing = statusOf(a, status, row) || statusOf(b, other.status, row);
      out[row] = missing !== 0 ? missing : compare(a, b) ? TRUE : FALSE;
    }
  });
}

function statusOf(value: number, status: Uint8Array | undefined, row: number): number {
  if (status !== undefined) return status[row] as number;
  return Number.isNaN(value) ? NO_DATA : 0;
}

const COMPARE: Readonly<Record<Comparison, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

/** A loop for each operator: a comparison that is called through a variable takes several times as long. */
type CompareWith = (values: Float64Array, limit: number, out: Uint8Array, rows: number) => void;
const WITH_CONSTANT: Readonly<Record<Comparison, CompareWith>> = {
  '<': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value < limit ? TRUE : value >= limit ? FALSE : NO_DATA;
    }
  },
  '<=': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value <= limit ? TRUE : value > limit ? FALSE : NO_DATA;
    }
  },
  '>': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value > limit ? TRUE : value <= limit ? FALSE : NO_DATA;
    }
  },
  '>=': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value >= limit ? TRUE : value < limit ? FALSE : NO_DATA;
    }
  },
  '==': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value === limit ? TRUE : Number.isNaN(value) ? NO_DATA : FALSE;
    }
  },
  '!=': (values, limit, out, rows) => {
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      out[row] = value === limit ? FALSE : Number.isNaN(value) ? NO_DATA : TRUE;
    }
  },
};

/** @param isWhole both are whole numbers, and so is the result; CEL's have 64 bits, ours 53 */
function arithmetic(
  calculate: (a: number, b: number) => number,
  left: Numbers,
  right: Numbers,
  isWhole: boolean,
  failsByZero = false,
): Numbers {
  let values = new Float64Array(0);
  let status = new Uint8Array(0);
  return {
    constant: undefined,
    of: (facts) => {
      const { rows } = facts;
      if (values.length < rows) {
        values = new Float64Array(roomFor(rows));
        status = new Uint8Array(values.length);
      }
      const one = left.of(facts);
      const other = right.of(facts);
      for (let row = 0; row < rows; row++) {
        const a = one.values[row] as number;
        const b = other.values[row] as number;
        const missing = statusOf(a, one.status, row) || statusOf(b, other.status, row);
        // Whole numbers have no −0, by which others could be divided.
        const value = isWhole ? calculate(a, b) + 0 : calculate(a, b);
        values[row] = value;
        if (missing !== 0) status[row] = missing;
        else if (failsByZero && b === 0) status[row] = FAILED;
        else status[row] = isWhole && !Number.isSafeInteger(value) ? UNDECIDED : 0;
      }
      return { values, status };
    },
  };
}

function chosen(condition: Condition, one: Numbers, other: Numbers): Numbers {
  let values = new Float64Array(0);
  let status = new Uint8Array(0);
  return {
    constant: undefined,
    of: (facts) => {
      const { rows } = facts;
      if (values.length < rows) {
        values = new Float64Array(roomFor(rows));
        status = new Uint8Array(values.length);
      }
      const choices = condition(facts);
      const [ifTrue, ifFalse] = [one.of(facts), other.of(facts)];
      for (let row = 0; row < rows; row++) {
        const choice = choices[row] as number;
        const from = choice === TRUE ? ifTrue : ifFalse;
        const value = from.values[row] as number;
        values[row] = value;
        status[row] = choice > TRUE ? choice : statusOf(value, from.status, row);
      }
      return { values, status };
    },
  };
}
