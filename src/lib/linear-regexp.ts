/**
 * Regular expressions of people, matched against texts of others: V8's engine for them takes time proportional to the text,
 * where the usual one takes exponential time for some expressions. It knows neither look-around nor back references.
 */
import { setFlagsFromString } from 'node:v8';

let isEnabled = false;

/**
 * @param pattern for any part of the text
 * @throws SyntaxError if it is malformed, or cannot be matched in linear time
 */
export function linearRegExp(pattern: string): RegExp {
  if (!isEnabled) {
    setFlagsFromString('--enable-experimental-regexp-engine');
    isEnabled = true;
  }
  return new RegExp(pattern, 'ls');
}

/**
 * @param pattern for the whole text
 * @throws SyntaxError if it is malformed, or cannot be matched in linear time
 */
export function wholeTextRegExp(pattern: string): RegExp {
  // Checked by itself first: `a)|(b` would become valid by what is put around it.
  linearRegExp(pattern);
  return linearRegExp(`^(?:${pattern})$`);
}
