/** All families of a list, in any format. */
import type { FamilyWithSeries } from '../family.ts';
import type { Format } from './format.ts';
import { familyBytes } from './protobuf.ts';
import { familyText, textEnd } from './text.ts';

export function exposition(families: Iterable<FamilyWithSeries>, format: Format): Uint8Array {
  if (format.syntax === 'protobuf') {
    return Buffer.concat(Array.from(families, (family) => familyBytes(family, format)));
  }
  let text = '';
  for (const family of families) text += familyText(family, format);
  return Buffer.from(text + textEnd(format));
}
