/** Replaces variables in queries as Grafana does: see https://grafana.com/docs/grafana/latest/dashboards/variables/ */

export interface Choice {
  /** What is chosen, by variable; several: of a variable with several values. */
  readonly values: Readonly<Record<string, string | readonly string[]>>;
  readonly interval: string;
  readonly range: string;
}

const VARIABLE = /\$(?:\{(\w+)(?::(\w+))?\}|(\w+))/g;

/** In PromQL several values become a regular expression. */
export function promqlOf(expr: string, { values, interval, range }: Choice): string {
  const builtIn: Readonly<Record<string, string>> = { __interval: interval, __rate_interval: interval, __range: range };
  return expr.replaceAll(VARIABLE, (text, braced?: string, _format?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    const value = builtIn[name] ?? values[name];
    if (value === undefined) throw new Error(`unknown variable ${text} in ${expr}`);
    if (typeof value === 'string') return value;
    const parts = value.map((one) => one.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\\\$&'));
    return parts.length === 1 ? (parts[0] as string) : `(${parts.join('|')})`;
  });
}

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** In SQL several values become a list of literals; macros become expressions. @param from and `to` are SQL */
export function sqlOf(rawSql: string, { values, interval }: Choice, from: string, to: string): string {
  return rawSql
    .replaceAll('$__interval', interval)
    .replaceAll(/\$__timeFilter\((\w+)\)/g, `$1 BETWEEN ${from} AND ${to}`)
    .replaceAll(/\$__timeGroup\((\w+), *'(\w+)'\)/g, (_, column: string, span: string) => {
      const seconds = Number.parseInt(span, 10) * (UNIT_S[span.at(-1) ?? ''] ?? Number.NaN);
      return `floor(extract(epoch from ${column})/${seconds})*${seconds}`;
    })
    .replaceAll(VARIABLE, (text, braced?: string, format?: string, bare?: string) => {
      const value = values[braced ?? bare ?? ''];
      if (value === undefined) throw new Error(`unknown variable or macro ${text} in ${rawSql}`);
      if (typeof value !== 'string') return value.map(literal).join(',');
      return format === 'sqlstring' ? literal(value) : value;
    });
}
