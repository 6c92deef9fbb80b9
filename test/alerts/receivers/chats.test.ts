import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unitsWithin } from '../../../src/alerts/delivery/receivers/cut.ts';
import { discordBody } from '../../../src/alerts/delivery/receivers/discord.ts';
import { discordText } from '../../../src/alerts/delivery/receivers/discord-text.ts';
import { html, mailHtml } from '../../../src/alerts/delivery/receivers/mail-text.ts';
import { messageOf, oneLine, safeUrl } from '../../../src/alerts/delivery/receivers/message.ts';
import { ntfyBody } from '../../../src/alerts/delivery/receivers/ntfy.ts';
import { slackBody } from '../../../src/alerts/delivery/receivers/slack.ts';
import { slackText } from '../../../src/alerts/delivery/receivers/slack-text.ts';
import type { Alert } from '../../../src/model/alert.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';
import { repetitions } from '../../support/repetitions.ts';
import { HttpSink } from './http-sink.ts';
import { sendOnce } from './receiver-context.ts';
import { EXTERNAL_URL, resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

/** What a worker might put into an id, a label or the name of a task. */
const NASTY = fc
  .array(
    fc.oneof(
      fc.string({ unit: ANY_CHARACTER, maxLength: 5 }),
      fc.constantFrom(
        '@everyone',
        '@here',
        '@all',
        '<!channel>',
        '<@U123>',
        '<@&9>',
        '<#C1>',
        '<https://evil.example|text>',
      ),
      fc.constantFrom(
        '[text](https://evil.example)',
        '![x](http://e)',
        'https://evil.example',
        'www.evil.example',
        '`',
        '```',
        '\\',
      ),
      fc.constantFrom(
        '**',
        '__',
        '~~',
        '||',
        '> ',
        '# ',
        '\u202e',
        '\u200b',
        '\r\nBcc: x@y',
        '\u0000',
        '&lt;',
        '<b>',
        '"',
        "'",
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
const RUNS = { numRuns: repetitions(300, 20_000) };

function nastyAlert(text: string): Partial<Alert> {
  return {
    rule: text || 'Hot',
    subject: { kind: 'worker', name: text },
    annotations: { summary: text, description: text },
    expression: text,
    values: { pending: null, firing: null, now: { atUnixMs: 0, parts: [{ text, value: text }] } },
  };
}

test('Slack: whatever a worker says mentions nobody and links nowhere', () => {
  fc.assert(
    fc.property(NASTY, fc.integer({ min: 20, max: 500 }), (text, limit) => {
      const shown = slackText(oneLine(text), limit);
      expect(shown.length).toBeLessThanOrEqual(limit);
      expect(shown).not.toMatch(/[<>]|@[^\u200b]|@$|:\/\/|\]\(|www\./i);
      // No half of an escape.
      expect(shown).not.toMatch(/&(?!amp;|lt;|gt;)/);
      const plain = shown
        .replaceAll('\u200b', '')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&');
      if (!shown.endsWith('…')) expect(plain).toBe(oneLine(text));
    }),
    RUNS,
  );
});

test('Slack: the only links are those of the alert and its runbook', () => {
  fc.assert(
    fc.property(NASTY, (text) => {
      const [attachment] = slackBody(someNotification([someAlert(nastyAlert(text))]), {}, EXTERNAL_URL).attachments;
      const links = [...(attachment?.text ?? '').matchAll(/<([^>]*)>/g)].map(([, link = '']) => link.split('|'));
      expect(links.map(([, label]) => label)).toEqual(['details', 'runbook']);
      for (const [url = ''] of links) expect(url).toMatch(/^https:\/\/(pulselane|wiki)\.example\.org\//);
      expect(attachment?.text.length).toBeLessThanOrEqual(4000);
      expect(attachment?.title).not.toMatch(/[<>]|@[^\u200b]/);
    }),
    RUNS,
  );
});

test('Discord: each sign of its Markdown is escaped, and the limits hold', () => {
  fc.assert(
    fc.property(NASTY, fc.integer({ min: 20, max: 500 }), (text, limit) => {
      const shown = discordText(oneLine(text), limit);
      expect(shown.length).toBeLessThanOrEqual(limit);
      // Without what is escaped, no sign is left.
      expect(shown.replaceAll(/\\[^0-9A-Za-z\s]/g, '')).not.toMatch(/[!-/:-@[-`{-~]/);
      const plain = shown.replaceAll(/\\([^0-9A-Za-z\s])/g, '$1');
      if (!shown.endsWith('…')) expect(plain).toBe(oneLine(text));
    }),
    RUNS,
  );
});

test('Discord: a notification of any alerts stays within its limits, and may mention nobody', () => {
  const alerts = Array.from({ length: 50 }, () => someAlert(nastyAlert('*'.repeat(3000))));
  const body = discordBody(someNotification(alerts, { truncatedAlerts: 7 }), {}, EXTERNAL_URL);
  const [embed] = body.embeds;
  expect(body.allowed_mentions).toEqual({ parse: [] });
  expect(embed?.title.length).toBeLessThanOrEqual(256);
  expect(embed?.description.length).toBeLessThanOrEqual(4096);
  expect(embed?.description).toMatch(/… and \d\d more$/);
});

test('mail: nothing of a worker is HTML', () => {
  fc.assert(
    fc.property(NASTY, (text) => {
      const page = mailHtml(messageOf(someNotification([someAlert(nastyAlert(text))]), EXTERNAL_URL), 0xff);
      const tags = [...page.matchAll(/<\/?([a-z!0-9]+)/g)].map(([, tag]) => tag);
      expect(new Set(tags)).toEqual(new Set(['!doctype', 'html', 'body', 'h2', 'p', 'b', 'br', 'a']));
      expect(html(text)).not.toMatch(/[<>"']/);
    }),
    RUNS,
  );
});

test('one line has no control characters, and no characters that change the direction', () => {
  fc.assert(
    fc.property(NASTY, fc.integer({ min: 30, max: 600 }), (text, limit) => {
      const line = oneLine(text, limit);
      expect(line.length).toBeLessThanOrEqual(limit);
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
    }),
    RUNS,
  );
});

test('links are of HTTP alone, and nothing ends them', () => {
  expect(safeUrl('javascript:alert(1)')).toBeUndefined();
  expect(safeUrl('')).toBeUndefined();
  expect(safeUrl(`https://a.example/${'x'.repeat(2000)}`)).toBeUndefined();
  expect(safeUrl("https://a.example/#/workers/a'(b)|<c>?x=1&y=2")).toBe(
    'https://a.example/#/workers/a%27%28b%29%7c%3Cc%3E?x=1&y=2',
  );
});

test('units are kept whole', () => {
  expect(unitsWithin(['ab', 'cd'], 4)).toBe('abcd');
  expect(unitsWithin(['ab', 'cd', 'e'], 4)).toBe('ab…');
  expect(unitsWithin(['&amp;'], 4)).toBe('…');
});

test('Slack: what is sent', async () => {
  await using sink = await HttpSink.start();
  const url = `${sink.url}/services/T/B/X`;
  expect(await sendOnce('slack', { url, channel: '#ops', username: 'Pulselane', icon_emoji: ':bell:' })).toEqual({
    outcome: 'sent',
  });
  const link = `${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`;
  expect(sink.last).toEqual({
    channel: '#ops',
    username: 'Pulselane',
    icon_emoji: ':bell:',
    attachments: [
      {
        color: '#d32f2f',
        fallback: 'FIRING: Hot: gpu-7',
        title: 'FIRING: Hot: gpu-7',
        title_link: link,
        text: [
          'page: gpu-7 is hot',
          'cpu_usage = 97.1235',
          'rule: cpu_usage &gt; 90.0',
          'since 2026-11-27T09:59:30.000Z',
          `<${link.replaceAll('&', '&amp;')}|details> · <https://wiki.example.org/hot?a=1&amp;b=2|runbook>`,
        ].join('\n'),
        mrkdwn_in: [],
      },
    ],
  });
});

test('Discord: what is sent', async () => {
  await using sink = await HttpSink.start();
  // A description is in the present, and is left out of what is over.
  const annotations = { summary: 'gpu-7 is hot', description: 'It has 97 %.' };
  const notification = someNotification([resolvedAlert({ annotations })]);
  await sendOnce('discord', { url: `${sink.url}/api/webhooks/1/x` }, { notification });
  const link = `${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`;
  expect(sink.last).toEqual({
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: 'RESOLVED\\: Hot\\: gpu\\-7',
        url: link,
        description: [
          '**resolved\\: gpu\\-7 is hot**',
          'cpu\\_usage \\= 97\\.1235',
          'rule\\: cpu\\_usage \\> 90\\.0',
          'it recovered\\; it fired since 2026\\-11\\-27T09\\:59\\:30\\.000Z until 2026\\-11\\-27T10\\:00\\:00\\.000Z',
          `[details](${link}) · [runbook](https://wiki.example.org/hot?a=1&b=2)`,
        ].join('\n'),
        color: 0x2e8b57,
        timestamp: '2026-11-27T10:00:00.000Z',
      },
    ],
  });
});

test('ntfy: priority and tag by severity, a link to click, and the token', async () => {
  await using sink = await HttpSink.start();
  await sendOnce('ntfy', { url: sink.url, topic: 'ops-x', token: 'tk_abc', tags: ['fleet'] });
  expect(sink.got[0]).toMatchObject({ path: '/', headers: { authorization: 'Bearer tk_abc' } });
  expect(sink.last).toEqual({
    topic: 'ops-x',
    title: 'FIRING: Hot: gpu-7',
    message: 'page: gpu-7 is hot\ncpu_usage = 97.1235\nrule: cpu_usage > 90.0\nsince 2026-11-27T09:59:30.000Z',
    priority: 5,
    tags: ['rotating_light', 'fleet'],
    click: `${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`,
  });
});

test.each([
  ['page', {}, 5],
  ['CRITICAL', {}, 5],
  ['warning', {}, 3],
  ['info', {}, 2],
  ['ours', {}, 4],
  ['warning', { warning: 1 }, 1],
])('ntfy: priority of %s with %j', (severity, priorities, priority) => {
  const notification = someNotification([someAlert({ severity: 'info' }), someAlert({ severity })]);
  expect(ntfyBody(notification, { topic: 'a', priorities }, EXTERNAL_URL).priority).toBe(priority);
  const over = someNotification([resolvedAlert({ severity })]);
  expect(ntfyBody(over, { topic: 'a', priorities }, EXTERNAL_URL).priority).toBe(2);
});

test('ntfy: a message stays within its bytes', () => {
  const alerts = Array.from({ length: 10 }, () => someAlert(nastyAlert('🔥'.repeat(400))));
  const { message } = ntfyBody(someNotification(alerts), { topic: 'a' }, EXTERNAL_URL);
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4000);
});

test('titles tell several alerts, a trial, and what fires first', () => {
  const of = (alerts: Alert[], change = {}) => messageOf(someNotification(alerts, change), EXTERNAL_URL);
  const group = someAlert({ subject: { kind: 'group', name: 'render' }, rule: 'GroupSilent' });
  expect(of([group]).title).toBe('FIRING: GroupSilent: group render');
  expect(of([resolvedAlert(), someAlert()]).title).toBe('FIRING: Hot: 1 firing, 1 resolved');
  expect(of([resolvedAlert(), someAlert()]).alerts.map(({ isResolved }) => isResolved)).toEqual([false, true]);
  expect(of([resolvedAlert()], { openAlerts: 2 })).toMatchObject({
    title: 'FIRING: Hot: 1 resolved, 2 still firing',
    hasFiring: true,
  });
  expect(of([someAlert(), group], { truncatedAlerts: 9 }).title).toBe('FIRING: 2 rules: 2 firing, 9 more');
  expect(of([someAlert()], { isTrial: true }).title).toBe('TRIAL, not a real alert: FIRING: Hot: gpu-7');
  expect(of(Array.from({ length: 12 }, () => someAlert()))).toMatchObject({ omitted: 2, link: `${EXTERNAL_URL}/` });
});
