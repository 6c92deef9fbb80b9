import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alertLink, LINK_MARGIN_MS, runbookLink } from '../../src/alerts/link.ts';
import type { AlertSubject } from '../../src/model/alert.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

const BASE = 'https://pulselane.example.org/fleet';
const T = Date.UTC(2026, 10, 27);

function linked(subject: AlertSubject, times: { firing?: number; resolved?: number } = {}) {
  const { firing: firingSinceUnixMs = null, resolved: resolvedUnixMs = null } = times;
  return { subject, pendingSinceUnixMs: T, firingSinceUnixMs, resolvedUnixMs };
}

describe('alertLink', () => {
  it('leads to the page of the subject, at the time of the alert, with the metric', () => {
    const alert = linked({ kind: 'worker', name: 'rack 1/node (a)' }, { firing: T + 1000 });
    expect(alertLink(BASE, alert, 'cpu_usage')).toBe(
      `${BASE}/#/workers/rack%201%2Fnode%20%28a%29?from=${T - LINK_MARGIN_MS}&to=${T + 1000 + LINK_MARGIN_MS}&metric=cpu_usage`,
    );
  });

  it('has paths of their own for groups, workers without a group, and the cluster', () => {
    const times = `from=${T - LINK_MARGIN_MS}&to=${T + LINK_MARGIN_MS}`;
    expect(alertLink(BASE, linked({ kind: 'group', name: 'gpu' }))).toBe(`${BASE}/#/groups/gpu?${times}`);
    expect(alertLink(BASE, linked({ kind: 'group', name: '' }))).toBe(`${BASE}/#/groups/?${times}`);
    expect(alertLink(BASE, linked({ kind: 'cluster', name: '' }))).toBe(`${BASE}/#/cluster?${times}`);
  });

  it('ends after the alert once it is resolved, and after it began to fire before that', () => {
    const subject = { kind: 'worker', name: 'w' } as const;
    const toOf = (link: string) => Number(/[?&]to=(\d+)/.exec(link)?.[1]) - LINK_MARGIN_MS;
    expect(toOf(alertLink(BASE, linked(subject)))).toBe(T);
    expect(toOf(alertLink(BASE, linked(subject, { firing: T + 5 })))).toBe(T + 5);
    expect(toOf(alertLink(BASE, linked(subject, { firing: T + 5, resolved: T + 9 })))).toBe(T + 9);
  });

  it('is empty if there is no dashboard to open', () => {
    expect(alertLink('', linked({ kind: 'worker', name: 'w' }))).toBe('');
  });

  it('is read back to the same name and metric, whatever is in them, and never leaves its place', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: ANY_CHARACTER, minLength: 1 }),
        fc.string({ unit: ANY_CHARACTER }),
        (name, metric) => {
          const link = alertLink(BASE, linked({ kind: 'worker', name }), metric);
          expect(link).toMatch(/^[A-Za-z0-9\-._~%:/#?&=]*$/);
          const url = new URL(link);
          expect(url.origin + url.pathname).toBe(`${BASE}/`);
          const [path = '', query = ''] = url.hash.split('?');
          const [, , id = '', ...rest] = path.split('/');
          expect(rest).toEqual([]);
          expect(decodeURIComponent(id)).toBe(name.toWellFormed());
          expect(new URLSearchParams(query).get('metric')).toBe(metric.toWellFormed());
        },
      ),
    );
  });
});

it.each([
  ['https://p.example/m', '/api/docs/alerts#hot', 'https://p.example/m/api/docs/alerts#hot'],
  ['', '/api/docs/alerts#hot', null],
  ['https://p.example', 'https://wiki.example.org/hot', 'https://wiki.example.org/hot'],
  ['https://p.example', null, null],
])('with the base %j, the runbook %j is %j', (base, runbook, link) => {
  expect(runbookLink(base, runbook)).toBe(link);
});
