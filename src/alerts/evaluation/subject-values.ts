/** The values of one subject, for CEL's own evaluator and for people. */
import type { ForEach } from '../../model/alert.ts';
import type { FactRef } from '../expression/facts.ts';
import type { SubjectValues } from '../expression/library.ts';
import { NAMES } from '../expression/names.ts';
import { type FactTable, MISSING_FLAG } from './fact-table.ts';
import type { Fleet } from './fleet.ts';

export class RowValues implements SubjectValues {
  /** Which subject: set before each use. */
  row = 0;
  readonly #table: FactTable;
  readonly #forEach: ForEach;
  readonly #fleet: Fleet;

  constructor(table: FactTable, forEach: ForEach, fleet: Fleet) {
    this.#table = table;
    this.#forEach = forEach;
    this.#fleet = fleet;
  }

  value(ref: FactRef): number | bigint | string | boolean | undefined {
    const type = this.#typeOf(ref);
    if (type === 'string') return this.#table.texts(ref)[this.row];
    if (type === 'bool') {
      const flag = this.#table.flags(ref)[this.row];
      return flag === MISSING_FLAG ? undefined : flag === 1;
    }
    const number = this.#table.numbers(ref)[this.row] as number;
    if (Number.isNaN(number)) return undefined;
    return type === 'int' ? BigInt(Math.trunc(number)) : number;
  }

  metrics(): Readonly<Record<string, number>> {
    return this.#forEach === 'worker' ? this.#fleet.metricsOf(this.row) : {};
  }

  labels(): Readonly<Record<string, string>> {
    return this.#forEach === 'worker' ? this.#fleet.labelsOf(this.row) : {};
  }

  gpus(): readonly Readonly<Record<string, unknown>>[] | undefined {
    return this.#forEach === 'worker' ? this.#fleet.gpusOf(this.row) : undefined;
  }

  #typeOf(ref: FactRef): string | undefined {
    switch (ref.of) {
      case 'metric':
        return 'double';
      case 'label':
        return 'string';
      case 'call':
        return ref.call.kind === 'count' ? 'int' : 'double';
      default:
        return NAMES[this.#forEach][ref.name]?.type;
    }
  }
}
