/** Text → syntax tree, by the CEL library. */
import { type ASTNode, Environment, ParseError, serialize } from '@marcbachmann/cel-js';

/** Something that is wrong with an expression, at its characters from `start` to `end`. */
export interface ExpressionProblem {
  readonly start: number;
  readonly end: number;
  /** Names what was found and what was expected. */
  readonly message: string;
}

/** Longest text. The longest shipped condition has 90 characters; a screen of 50 lines has 4,000. */
export const MAX_EXPRESSION_LENGTH = 4_000;
/**
 * Most parts. A condition is evaluated for each of 10,000 workers every few seconds: at some 10 ns a part, this many take
 * 20 ms. A comparison has 3 parts, so that 60 of them fit.
 */
export const MAX_EXPRESSION_PARTS = 200;
/** Deepest nesting of brackets and calls: nobody reads more, and it bounds the stack. */
export const MAX_EXPRESSION_DEPTH = 32;

const environment = new Environment({
  limits: {
    maxAstNodes: MAX_EXPRESSION_PARTS,
    maxDepth: MAX_EXPRESSION_DEPTH,
    // A list has as many parts as elements at least, which are counted.
    maxListElements: MAX_EXPRESSION_PARTS,
    maxMapEntries: MAX_EXPRESSION_PARTS,
    // The functions that exist take three at most.
    maxCallArguments: 8,
  },
});

export function parseExpression(text: string): ASTNode | ExpressionProblem {
  if (text.trim() === '') {
    return { start: 0, end: text.length, message: 'the expression is empty; expected one such as cpu_usage > 90' };
  }
  if (text.length > MAX_EXPRESSION_LENGTH) {
    return {
      start: MAX_EXPRESSION_LENGTH,
      end: text.length,
      message: `the expression has ${text.length} characters; at most ${MAX_EXPRESSION_LENGTH} are allowed`,
    };
  }
  try {
    return environment.parse(text).ast;
  } catch (error) {
    if (error instanceof ParseError) return problemOf(error, text);
    // The parser recurses; deep nesting that its own limit does not count ends here.
    if (error instanceof RangeError) return { start: 0, end: text.length, message: TOO_DEEP };
    throw error;
  }
}

/** Equal for expressions that differ only in spaces, comments and brackets that change nothing. */
export function canonicalText(ast: ASTNode): string {
  return serialize(ast);
}

export function isProblem(parsed: ASTNode | ExpressionProblem): parsed is ExpressionProblem {
  return 'message' in parsed;
}

const TOO_DEEP = `the expression is nested too deeply; at most ${MAX_EXPRESSION_DEPTH} levels are allowed`;

function problemOf(error: ParseError, text: string): ExpressionProblem {
  const start = Math.min(error.range?.start ?? 0, text.length);
  const end = Math.min(Math.max(error.range?.end ?? start, start), text.length);
  return { start, end, message: messageOf(error, text, start, end) };
}

function messageOf({ code, summary }: ParseError, text: string, start: number, end: number): string {
  if (code === 'limit_exceeded') {
    if (summary.includes('maxDepth')) return TOO_DEEP;
    if (summary.includes('maxCallArguments')) return 'too many arguments; no function takes more than three';
    return `the expression has too many parts; at most ${MAX_EXPRESSION_PARTS} are allowed`;
  }
  if (code === 'unterminated_string') return 'the quoted text has no end; expected a closing quotation mark';
  const word = /^[\p{L}_]\w*/u.exec(text.slice(text.slice(0, start).search(/\w*$/)))?.[0];
  const operator = OPERATORS.get(word?.toLowerCase() ?? '');
  if (/^\d+(?:ms|[smhdw])\b/.test(text.slice(text.slice(0, start).search(/\w*$/)))) {
    return 'a duration stands in quotation marks, such as "10m"';
  }
  if (operator !== undefined) return `${JSON.stringify(word)} is not an operator of CEL; expected ${operator}`;
  if (code === 'reserved_identifier') return `${JSON.stringify(word)} is a reserved word of CEL; expected another name`;
  if (text[start] === '=') return 'found "="; expected "==" for a comparison';
  if (start >= text.length) return 'the expression ends too early; expected a value, a name or a closing bracket';
  const token = shown(text.slice(start, Math.max(end, start + 1)));
  const expected = EXPECTED_TOKEN.exec(summary)?.[1];
  const wanted = expected === undefined ? undefined : TOKENS[expected];
  if (wanted !== undefined) return `found ${token}; expected ${wanted}`;
  if (/^(unexpected|expected)/.test(code))
    return `found ${token}, which cannot stand here; expected an expression in CEL`;
  return `${token}: ${summary.charAt(0).toLowerCase()}${summary.slice(1)}; expected an expression in CEL`;
}

/** What people write who know SQL, Python or JavaScript better. */
const OPERATORS: ReadonlyMap<string, string> = new Map([
  ['and', '&&'],
  ['or', '||'],
  ['not', '!'],
  ['is', '=='],
]);

const EXPECTED_TOKEN = /^Expected (\w+), got/;
const TOKENS: Readonly<Record<string, string>> = {
  RPAREN: '")"',
  LPAREN: '"("',
  RBRACKET: '"]"',
  RBRACE: '"}"',
  IDENTIFIER: 'a name',
  COLON: '":"',
  COMMA: '","',
  EOF: 'the end of the expression, or an operator',
};

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
