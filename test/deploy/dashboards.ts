/** The committed dashboards, and every query in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER } from '../../scripts/dashboards.ts';

// biome-ignore lint/suspicious/noExplicitAny: a dashboard is data, and what is in it is what tests look at
export type Json = any;

export interface Query {
  /** Where it stands, for people. */
  readonly where: string;
  /** PromQL or SQL. */
  readonly text: string;
  readonly isInstant: boolean;
  readonly kind: 'panel' | 'variable' | 'annotation';
  readonly format: string;
}

export const DASHBOARDS: readonly { readonly file: string; readonly dashboard: Json }[] = readdirSync(FOLDER)
  .sort()
  .map((file) => ({ file, dashboard: JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) }));

/** Of dashboards of this kind of data source. */
export function queriesOf(kind: 'prometheus' | 'postgres'): Query[] {
  return DASHBOARDS.flatMap(({ dashboard }) => {
    const { templating, annotations, panels, title } = dashboard;
    if (templating.list[0].query !== kind) return [];
    const variables = templating.list.slice(1).map(({ name, definition }: Json) => ({
      where: `${title}: variable ${name}`,
      text: definition,
      isInstant: true,
      kind: 'variable',
      format: '',
    }));
    const marks = annotations.list.map(({ name, target }: Json) => ({
      where: `${title}: annotation ${name}`,
      text: target.expr ?? target.rawSql,
      isInstant: false,
      kind: 'annotation',
      format: target.format,
    }));
    const shown = panels.flatMap(({ title: panel, targets = [] }: Json) =>
      targets.map(({ refId, expr, rawSql, instant = false, format }: Json) => ({
        where: `${title}: ${panel}, ${refId}`,
        text: expr ?? rawSql,
        isInstant: instant,
        kind: 'panel',
        format,
      })),
    );
    return [...variables, ...marks, ...shown];
  });
}
