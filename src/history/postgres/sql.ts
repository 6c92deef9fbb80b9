/** Pieces of SQL that several tables need. Times are Unix milliseconds outside, and `timestamptz` inside. */

/** @param value an expression in Unix ms */
export function sqlMs(value: string): string {
  return `to_timestamp(${value}::float8 / 1000)`;
}

/** @param column a `timestamptz` @returns an expression in Unix ms, to the microsecond */
export function fromSqlMs(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::float8`;
}

/** Conditions that are joined by AND, and their parameters. */
export class Conditions {
  readonly all: string[] = [];
  readonly values: unknown[] = [];

  /** @returns the parameter's name */
  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  /** @param value undefined: no condition */
  add(sql: (value: string) => string, value: unknown): void {
    if (value !== undefined) this.all.push(sql(this.value(value)));
  }

  where(): string {
    return this.all.length === 0 ? '' : `WHERE ${this.all.join(' AND ')}`;
  }
}
