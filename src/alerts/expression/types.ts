/** CEL's types, by their names in CEL. */

/** `gpu` is a device with members, see GPU_MEMBERS. */
export type ScalarType = 'bool' | 'int' | 'double' | 'string' | 'gpu';
export type CelType = ScalarType | `list<${ScalarType}>` | `map<string, ${ScalarType}>`;

export function listOf<T extends ScalarType>(type: T): `list<${T}>` {
  return `list<${type}>`;
}

export function mapOf<T extends ScalarType>(type: T): `map<string, ${T}>` {
  return `map<string, ${type}>`;
}

/** The type of a list's elements; undefined: it is no list. */
export function elementOf(type: CelType): ScalarType | undefined {
  return type.startsWith('list<') ? (type.slice('list<'.length, -1) as ScalarType) : undefined;
}

/** The type of a map's values; undefined: it is no map. */
export function entryOf(type: CelType): ScalarType | undefined {
  return type.startsWith('map<') ? (type.slice('map<string, '.length, -1) as ScalarType) : undefined;
}

export function isScalar(type: CelType): type is ScalarType {
  return elementOf(type) === undefined && entryOf(type) === undefined;
}

export function isNumber(type: CelType): type is 'int' | 'double' {
  return type === 'int' || type === 'double';
}

/** For sentences: `a number`. */
export function inWords(type: CelType): string {
  const element = elementOf(type);
  if (element !== undefined) return element === 'gpu' ? 'a list of devices' : `a list of ${PLURALS[element]}`;
  const value = entryOf(type);
  if (value !== undefined) return `a map of ${PLURALS[value]}`;
  return WORDS[type as ScalarType];
}

const WORDS = {
  bool: 'true or false',
  int: 'a whole number',
  double: 'a number',
  string: 'a text',
  gpu: 'a device',
} as const;

const PLURALS = {
  bool: 'truth values',
  int: 'whole numbers',
  double: 'numbers',
  string: 'texts',
  gpu: 'devices',
} as const;
