/**
 * Types of an expression. The library's own check stops at the first mistake, knows no `has(name)` and no mixed numbers; this
 * one finds all mistakes at once, and admits exactly what compile.ts knows:
 *
 * | what        | forms                                                                                              |
 * |-------------|----------------------------------------------------------------------------------------------------|
 * | values      | numbers, texts, `true`, `false`, lists `[…]`                                                       |
 * | names       | those of names.ts; `labels.zone`, `labels["zone"]`, `metrics.x`, members of devices                |
 * | operators   | `&& \|\| ! ?: == != < <= > >= + - * / % in`                                                        |
 * | functions   | `has(…)`, `size(…)`, `int(…)`, `double(…)`, `string(…)`, and those of names.ts                      |
 * | of texts    | `.startsWith(…) .endsWith(…) .contains(…) .matches(…) .size() .lowerAscii() .upperAscii()`          |
 * | of lists    | `.exists(x, …) .all(x, …) .exists_one(x, …) .filter(x, …) .map(x, …) .size()`                       |
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import type { ForEach } from '../../model/alert.ts';
import type { Place } from '../rules/place.ts';
import { aggregateCall, isAggregateFunction, isWindowFunction, windowCall } from './calls.ts';
import type { AggregateCall, CheckedExpression, WindowCall } from './checked.ts';
import {
  AGGREGATE_FUNCTIONS,
  AGGREGATED,
  GPU_MEMBERS,
  NAMES,
  type NameInfo,
  OVER_TIME,
  WINDOW_FUNCTIONS,
} from './names.ts';
import { nearName, suggestion } from './near-name.ts';
import { type ExpressionProblem, isProblem, parseExpression } from './parse.ts';
import { patternProblem } from './pattern.ts';
import { type CelType, elementOf, entryOf, inWords, isNumber, isScalar, listOf } from './types.ts';

/** Most calls that look back in time in one expression: each keeps a window of each worker. */
export const MAX_WINDOW_CALLS = 16;

export interface CheckResult {
  /** Undefined if there are problems. */
  readonly expression: CheckedExpression | undefined;
  /** In the order of the text. */
  readonly problems: readonly ExpressionProblem[];
  /** What is allowed and probably not meant: a custom metric whose name is nearly a built-in one. */
  readonly warnings: readonly ExpressionProblem[];
}

/**
 * @param place where the expression begins in the rule file
 * @param use a condition must be true or false; what a template shows may be any text, number or truth value
 */
export function checkExpression(
  text: string,
  forEach: ForEach,
  place?: Place,
  use: 'condition' | 'shown' = 'condition',
): CheckResult {
  const ast = parseExpression(text);
  if (isProblem(ast)) return { expression: undefined, problems: [ast], warnings: [] };
  const checker = new Checker(forEach);
  const type = checker.typeOf(ast);
  if (type !== undefined) checker.checkUse(ast, type, use);
  const { problems, warnings } = checker;
  if (type === undefined || problems.length > 0) {
    return { expression: undefined, problems: problems.toSorted((a, b) => a.start - b.start), warnings };
  }
  const calls: ReadonlyMap<ASTNode, WindowCall | AggregateCall> = checker.calls;
  const windows = [...calls.values()].filter((call) => isWindowFunction(call.kind)) as WindowCall[];
  const expression = {
    text,
    forEach,
    ast,
    type,
    types: checker.types,
    calls,
    windows,
    names: [...checker.names],
    place,
  };
  return { expression, problems, warnings };
}

/** Variables that macros declare, by name. */
type Variables = ReadonlyMap<string, CelType>;
const NO_VARIABLES: Variables = new Map();

class Checker {
  readonly problems: ExpressionProblem[] = [];
  readonly warnings: ExpressionProblem[] = [];
  readonly types = new Map<ASTNode, CelType>();
  readonly calls = new Map<ASTNode, WindowCall | AggregateCall>();
  readonly names = new Set<string>();
  readonly #forEach: ForEach;
  readonly #known: Readonly<Record<string, NameInfo>>;

  constructor(forEach: ForEach) {
    this.#forEach = forEach;
    this.#known = NAMES[forEach];
  }

  /** Undefined after a complaint: what depends on it is not judged. */
  typeOf(node: ASTNode, variables: Variables = NO_VARIABLES): CelType | undefined {
    const type = this.#find(node, variables);
    if (type !== undefined) this.types.set(node, type);
    return type;
  }

  checkUse(node: ASTNode, type: CelType, use: 'condition' | 'shown'): void {
    if (use === 'condition' && type !== 'bool') {
      const example = isNumber(type) ? `, such as ${exampleOf(node)} > 90` : '';
      this.#complain(node, `the condition is ${inWords(type)}; expected true or false${example}`);
    }
    if (use === 'shown' && !isScalar(type) && elementOf(type) !== 'string') {
      this.#complain(node, `${inWords(type)} cannot be shown; expected a text, a number, or true or false`);
    }
    if (use === 'shown' && type === 'gpu') {
      this.#complain(node, `a device cannot be shown; expected one of its members, such as name`);
    }
  }

  readonly #complain = (node: { start: number; end: number }, message: string): undefined => {
    this.problems.push({ start: node.start, end: node.end, message });
    return undefined;
  };

  #find(node: ASTNode, variables: Variables): CelType | undefined {
    switch (node.op) {
      case 'value':
        return this.#constant(node);
      case 'id':
        return this.#name(node, node.args, variables);
      case '.':
        return this.#member(node, node.args[0], node.args[1], variables);
      case '[]':
        return this.#index(node, variables);
      case 'call':
        return this.#call(node, node.args[0], node.args[1], variables);
      case 'rcall':
        return this.#method(node, node.args[0], node.args[1], node.args[2], variables);
      case 'list':
        return this.#list(node, node.args, variables);
      case '?:':
        return this.#choice(node, node.args, variables);
      case '&&':
      case '||':
        return this.#logical(node.args, node.op, variables);
      case '!_':
        return this.#expect(node.args, 'bool', '! takes', variables);
      case '-_':
        return this.#negative(node.args, variables);
      case 'map':
        return this.#complain(node, 'maps cannot be written here; expected a list or a comparison');
      case '.?':
      case '[?]':
        return this.#complain(node, 'optional values do not exist here; expected has() to test for a value');
      default:
        return this.#binary(node, node.op, node.args, variables);
    }
  }

  #constant(node: ASTNode & { op: 'value' }): CelType | undefined {
    const value = node.args;
    switch (typeof value) {
      case 'string':
        return 'string';
      case 'boolean':
        return 'bool';
      case 'number':
        return Number.isFinite(value) ? 'double' : this.#complain(node, 'the number is too large');
      case 'bigint':
        return Number.isSafeInteger(Number(value)) ? 'int' : this.#complain(node, TOO_LARGE);
    }
    if (value === null) return this.#complain(node, 'nothing is null here; expected has(name) to test for a value');
    if (value instanceof Uint8Array)
      return this.#complain(node, 'bytes do not exist here; expected a text or a number');
    return this.#complain(node, 'unsigned numbers do not exist here; expected the number without "u"');
  }

  #name(node: ASTNode, name: string, variables: Variables): CelType | undefined {
    const variable = variables.get(name);
    if (variable !== undefined) return variable;
    const info = Object.hasOwn(this.#known, name) ? this.#known[name] : undefined;
    if (info !== undefined) {
      this.names.add(name);
      return info.type;
    }
    return this.#complain(node, this.#unknownName(name, variables));
  }

  #unknownName(name: string, variables: Variables): string {
    const here = `for_each: ${this.#forEach}`;
    if (isWindowFunction(name) || isAggregateFunction(name)) return `${name} is a function; expected ${name}(…)`;
    const elsewhere = (['worker', 'group', 'cluster'] as const).filter((forEach) =>
      Object.hasOwn(NAMES[forEach], name),
    );
    if (elsewhere.length > 0) {
      const hint = AGGREGATED.includes(name) ? `; expected avg("${name}") or max("${name}")` : '';
      return `${name} exists only for_each: ${elsewhere.join(' or ')}, and this rule is ${here}${hint}`;
    }
    const names = [...variables.keys(), ...Object.keys(this.#known)];
    const meant = nearName(name, names);
    if (meant !== undefined) return `unknown name ${name}; did you mean ${meant}?`;
    const metric =
      this.#forEach === 'worker' ? `; a custom metric is metrics.${name}, and a label is labels.${name}` : '';
    return `unknown name ${name}; expected one of ${names.join(', ')}${metric}`;
  }

  #member(node: ASTNode, of: ASTNode, name: string, variables: Variables): CelType | undefined {
    const type = this.typeOf(of, variables);
    if (type === undefined) return undefined;
    if (type === 'gpu') {
      const member = gpuMember(name);
      return (
        member?.type ?? this.#complain(node, `a device has no member ${name}; ${suggestion(name, GPU_MEMBER_NAMES)}`)
      );
    }
    const value = entryOf(type);
    if (value !== undefined) return value;
    const hint = elementOf(type) === 'gpu' ? `; expected such as gpus.exists(g, g.${name} > 90)` : '';
    return this.#complain(node, `${source(of)} is ${inWords(type)} and has no members${hint}`);
  }

  #index(node: ASTNode & { op: '[]' }, variables: Variables): CelType | undefined {
    const [of, key] = node.args;
    const type = this.typeOf(of, variables);
    const keyType = this.typeOf(key, variables);
    if (type === undefined || keyType === undefined) return undefined;
    const value = entryOf(type);
    if (value !== undefined) {
      return keyType === 'string'
        ? value
        : this.#complain(key, `${source(of)} has texts as keys; found ${inWords(keyType)}`);
    }
    const element = elementOf(type);
    if (element !== undefined) {
      return keyType === 'int'
        ? element
        : this.#complain(key, `a list is indexed by whole numbers; found ${inWords(keyType)}`);
    }
    return this.#complain(node, `${source(of)} is ${inWords(type)}; expected a list or a map before "["`);
  }

  #call(node: ASTNode, name: string, args: readonly ASTNode[], variables: Variables): CelType | undefined {
    if (isWindowFunction(name)) return this.#window(node, name, args);
    if (isAggregateFunction(name)) return this.#aggregate(node, name, args);
    if (name === 'has') return this.#has(node, args, variables);
    const types = args.map((arg) => this.typeOf(arg, variables));
    const conversion = Object.hasOwn(CONVERSIONS, name) ? CONVERSIONS[name] : undefined;
    if (name !== 'size' && conversion === undefined) return this.#complain(node, unknownFunction(name));
    if (args.length !== 1) return this.#complain(node, `${name} takes one argument; found ${args.length}`);
    const [type] = types;
    if (type === undefined) return undefined;
    if (name === 'size') {
      return hasSize(type) ? 'int' : this.#complain(node, `size takes a text, a list or a map; found ${inWords(type)}`);
    }
    if (conversion?.from.includes(type) === true) return conversion.to;
    return this.#complain(node, `${name} takes ${conversion?.from.map(inWords).join(', ')}; found ${inWords(type)}`);
  }

  #window(node: ASTNode, kind: WindowCall['kind'], args: readonly ASTNode[]): CelType | undefined {
    if (this.#forEach !== 'worker') {
      return this.#complain(node, `${kind} exists only for_each: worker, and this rule is for_each: ${this.#forEach}`);
    }
    const call = windowCall(kind, node, args, this.#complain);
    if (call === undefined) return undefined;
    if ([...this.calls.values()].length >= MAX_WINDOW_CALLS) {
      return this.#complain(
        node,
        `more than ${MAX_WINDOW_CALLS} calls that look back in time; at most that many are allowed`,
      );
    }
    this.#suspect(args[0] as ASTNode, call.metric, OVER_TIME);
    this.calls.set(node, call);
    return 'double';
  }

  #aggregate(node: ASTNode, kind: AggregateCall['kind'], args: readonly ASTNode[]): CelType | undefined {
    if (this.#forEach === 'worker') {
      return this.#complain(node, `${kind} exists only for_each: group or cluster, and this rule is for_each: worker`);
    }
    const call = aggregateCall(kind, node, args, this.#complain);
    if (call === undefined) return undefined;
    if (call.kind !== 'count') this.#suspect(args[0] as ASTNode, call.field, AGGREGATED);
    this.calls.set(node, call);
    return call.kind === 'count' ? 'int' : 'double';
  }

  #suspect(node: ASTNode, metric: string, builtIn: readonly string[]): void {
    const meant = builtIn.includes(metric) ? undefined : nearName(metric, builtIn);
    if (meant === undefined) return;
    const message = `${metric} is taken for a custom metric; did you mean ${meant}?`;
    this.warnings.push({ start: node.start, end: node.end, message });
  }

  /** `has(x)`: a name, a member, an element, or a call that may have no value. */
  #has(node: ASTNode, args: readonly ASTNode[], variables: Variables): CelType | undefined {
    const [arg] = args;
    if (arg === undefined || args.length > 1) {
      return this.#complain(node, `has takes one argument; found ${args.length}`);
    }
    const type = this.typeOf(arg, variables);
    if (type === undefined) return undefined;
    const mayBeMissing = ['id', '.', '[]'].includes(arg.op) || this.calls.has(arg);
    return mayBeMissing
      ? 'bool'
      : this.#complain(arg, 'has takes a name, such as has(gpu_usage) or has(metrics.frames)');
  }

  #method(
    node: ASTNode,
    name: string,
    receiver: ASTNode,
    args: readonly ASTNode[],
    variables: Variables,
  ): CelType | undefined {
    if (isMacro(name)) return this.#macro(node, name, receiver, args, variables);
    if (receiver.op === 'id' && receiver.args === 'cel') return this.#complain(node, unknownFunction(`cel.${name}`));
    const type = this.typeOf(receiver, variables);
    const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
    if (method === undefined) return this.#complain(node, unknownFunction(name));
    if (args.length !== method.arguments) {
      return this.#complain(
        node,
        `${name} takes ${method.arguments === 0 ? 'no' : 'one'} argument; found ${args.length}`,
      );
    }
    const isReceiver = type === undefined || (name === 'size' ? hasSize(type) : type === 'string');
    if (!isReceiver) {
      return this.#complain(receiver, `.${name}() is a function of texts; ${source(receiver)} is ${inWords(type)}`);
    }
    for (const arg of args) this.#expect(arg, 'string', `.${name}() takes`, variables);
    if (name === 'matches') this.#checkPattern(args[0] as ASTNode);
    return method.type;
  }

  #checkPattern(node: ASTNode): void {
    const problem =
      node.op === 'value'
        ? typeof node.args === 'string' && patternProblem(node.args)
        : 'the pattern must be a constant in quotation marks';
    if (typeof problem === 'string') this.#complain(node, problem);
  }

  #macro(
    node: ASTNode,
    name: Macro,
    receiver: ASTNode,
    args: readonly ASTNode[],
    variables: Variables,
  ): CelType | undefined {
    const type = this.typeOf(receiver, variables);
    const [variable, body] = args;
    if (args.length !== 2 || variable?.op !== 'id' || body === undefined) {
      return this.#complain(node, `.${name}() takes a variable and an expression: gpus.${name}(g, …)`);
    }
    if (type === undefined) return undefined;
    // A map is walked through by its keys.
    const element = elementOf(type) ?? (entryOf(type) === undefined ? undefined : 'string');
    if (element === undefined) {
      return this.#complain(receiver, `.${name}() is a function of lists; ${source(receiver)} is ${inWords(type)}`);
    }
    if (variables.has(variable.args) || Object.hasOwn(this.#known, variable.args)) {
      return this.#complain(variable, `${variable.args} is a name already; expected another name for the variable`);
    }
    const inner = new Map([...variables, [variable.args, element]]);
    if (name === 'map') {
      const result = this.typeOf(body, inner);
      if (result === undefined || isScalar(result)) return result === undefined ? undefined : listOf(result);
      return this.#complain(
        body,
        `.map() makes a list of ${inWords(result)}; expected a text, a number, or true or false`,
      );
    }
    if (this.#expect(body, 'bool', `.${name}() takes`, inner) === undefined) return undefined;
    return name === 'filter' ? listOf(element) : 'bool';
  }

  #list(node: ASTNode, elements: readonly ASTNode[], variables: Variables): CelType | undefined {
    const types = elements.map((element) => this.typeOf(element, variables));
    let found: CelType | undefined;
    for (const [index, type] of types.entries()) {
      if (type === undefined) return undefined;
      const joined: CelType | undefined = found === undefined ? type : unified(found, type);
      if (joined === undefined) {
        return this.#complain(
          elements[index] as ASTNode,
          `the list has ${inWords(found as CelType)} before; found ${inWords(type)}`,
        );
      }
      found = joined;
    }
    if (found === undefined) return this.#complain(node, 'the list is empty; expected an element');
    if (isScalar(found)) return listOf(found);
    return this.#complain(node, 'lists of lists do not exist here; expected texts, numbers, or true and false');
  }

  #choice(node: ASTNode, [condition, yes, no]: readonly [ASTNode, ASTNode, ASTNode], variables: Variables) {
    this.#expect(condition, 'bool', 'before "?" stands', variables);
    const types = [this.typeOf(yes, variables), this.typeOf(no, variables)] as const;
    if (types[0] === undefined || types[1] === undefined) return undefined;
    const type = unified(types[0], types[1]);
    return (
      type ??
      this.#complain(node, `both sides of ":" must have one type; found ${inWords(types[0])} and ${inWords(types[1])}`)
    );
  }

  #logical(sides: readonly ASTNode[], op: string, variables: Variables): CelType | undefined {
    const types = sides.map((side) => this.#expect(side, 'bool', `${op} takes`, variables));
    return types.includes(undefined) ? undefined : 'bool';
  }

  #expect(node: ASTNode, expected: CelType, who: string, variables: Variables): CelType | undefined {
    const type = this.typeOf(node, variables);
    if (type === undefined || type === expected) return type;
    return this.#complain(node, `${who} ${inWords(expected)}; ${source(node)} is ${inWords(type)}`);
  }

  #negative(node: ASTNode, variables: Variables): CelType | undefined {
    const type = this.typeOf(node, variables);
    if (type === undefined || isNumber(type)) return type;
    return this.#complain(node, `- takes a number; ${source(node)} is ${inWords(type)}`);
  }

  #binary(node: ASTNode, op: string, sides: readonly [ASTNode, ASTNode], variables: Variables): CelType | undefined {
    const [left, right] = [this.typeOf(sides[0], variables), this.typeOf(sides[1], variables)];
    if (left === undefined || right === undefined) return undefined;
    const type = resultOf(op, left, right);
    if (type === undefined) {
      return this.#complain(
        node,
        `${source(sides[0])} is ${inWords(left)} and ${source(sides[1])} is ${inWords(right)}; ${wanted(op)}`,
      );
    }
    if (op === '==' || op === '!=') {
      this.#checkChoice(sides[0], sides[1]);
      this.#checkChoice(sides[1], sides[0]);
    }
    if (op === 'in' && sides[1].op === 'list') for (const value of sides[1].args) this.#checkChoice(sides[0], value);
    return type;
  }

  /** `state == "inactve"` never holds. */
  #checkChoice(name: ASTNode, value: ASTNode): void {
    if (name.op !== 'id' || value.op !== 'value' || typeof value.args !== 'string') return;
    const values = Object.hasOwn(this.#known, name.args) ? this.#known[name.args]?.values : undefined;
    if (values === undefined || values.includes(value.args)) return;
    this.#complain(value, `${name.args} is never ${JSON.stringify(value.args)}; ${suggestion(value.args, values)}`);
  }
}

const TOO_LARGE = `the number is too large; at most ${Number.MAX_SAFE_INTEGER} is allowed`;
const GPU_MEMBER_NAMES = Object.keys(GPU_MEMBERS);

function gpuMember(name: string): NameInfo | undefined {
  const members: Readonly<Record<string, NameInfo>> = GPU_MEMBERS;
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

const CONVERSIONS: Readonly<Record<string, { readonly from: readonly CelType[]; readonly to: CelType }>> = {
  int: { from: ['int', 'double', 'string'], to: 'int' },
  double: { from: ['int', 'double', 'string'], to: 'double' },
  string: { from: ['string', 'bool', 'int', 'double'], to: 'string' },
};

const METHODS: Readonly<Record<string, { readonly arguments: 0 | 1; readonly type: CelType }>> = {
  startsWith: { arguments: 1, type: 'bool' },
  endsWith: { arguments: 1, type: 'bool' },
  contains: { arguments: 1, type: 'bool' },
  matches: { arguments: 1, type: 'bool' },
  lowerAscii: { arguments: 0, type: 'string' },
  upperAscii: { arguments: 0, type: 'string' },
  size: { arguments: 0, type: 'int' },
};

const MACROS = ['exists', 'all', 'exists_one', 'filter', 'map'] as const;
type Macro = (typeof MACROS)[number];

function isMacro(name: string): name is Macro {
  return (MACROS as readonly string[]).includes(name);
}

function unknownFunction(name: string): string {
  const functions = [
    ...Object.keys(WINDOW_FUNCTIONS),
    ...Object.keys(AGGREGATE_FUNCTIONS),
    'has',
    'size',
    ...Object.keys(CONVERSIONS),
    ...Object.keys(METHODS).filter((method) => method !== 'size'),
    ...MACROS,
  ];
  return `unknown function ${name}; ${suggestion(name, functions)}`;
}

function hasSize(type: CelType): boolean {
  return type === 'string' || !isScalar(type);
}

/** The type that both have; numbers mix. */
function unified(a: CelType, b: CelType): CelType | undefined {
  if (a === b) return a;
  return isNumber(a) && isNumber(b) ? 'double' : undefined;
}

/** The type of `left op right`; undefined: there is none. */
function resultOf(op: string, left: CelType, right: CelType): CelType | undefined {
  const common = unified(left, right);
  switch (op) {
    case '==':
    case '!=':
      return common !== undefined && common !== 'gpu' && isScalar(common) ? 'bool' : undefined;
    case '<':
    case '<=':
    case '>':
    case '>=':
      return common !== undefined && (isNumber(common) || common === 'string') ? 'bool' : undefined;
    case 'in': {
      const element = elementOf(right) ?? (entryOf(right) === undefined ? undefined : 'string');
      return element !== undefined && element !== 'gpu' && unified(element, left) !== undefined ? 'bool' : undefined;
    }
    case '+':
      return common === 'string' || (common !== undefined && isNumber(common)) ? common : undefined;
    case '%':
      return common === 'int' ? common : undefined;
    default:
      return common !== undefined && isNumber(common) ? common : undefined;
  }
}

function wanted(op: string): string {
  switch (op) {
    case '==':
    case '!=':
      return `${op} compares values of one type`;
    case 'in':
      return 'in expects a list of such values, or a text and a map';
    case '%':
      return '% expects two whole numbers';
    case '+':
      return '+ expects two numbers or two texts';
    default:
      return `${op} expects two numbers${['-', '*', '/'].includes(op) ? '' : ' or two texts'}`;
  }
}

/** A part as it is written, shortened. */
function source(node: ASTNode): string {
  const text = node.input.slice(node.start, node.end).replaceAll(/\s+/g, ' ');
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function exampleOf(node: ASTNode): string {
  return node.op === 'value' ? 'cpu_usage' : source(node);
}
