/** Mail, with a real SMTP server. */
import { type AddressInfo, createServer } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mailOf } from '../../../src/alerts/delivery/receivers/email.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { senderOf, sendOnce, testContext } from './receiver-context.ts';
import { EXTERNAL_URL, resolvedAlert, someAlert, someNotification } from './some-alerts.ts';

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly isSecured: boolean;
  readonly user: unknown;
}

class MailSink implements AsyncDisposable {
  readonly mails: Mail[] = [];
  readonly #server: SMTPServer;

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      disableReverseLookup: true,
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          this.mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text: Buffer.concat(chunks).toString(),
            isSecured: session.secure,
            user: session.user,
          });
          done();
        });
      },
      ...options,
    });
    this.#server.on('error', () => undefined);
  }

  static async start(options: SMTPServerOptions = {}): Promise<MailSink> {
    const sink = new MailSink(options);
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve));
    return sink;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }
}

/** A header of a mail, with its continued lines. */
function header({ text }: Mail, name: string): string | undefined {
  const [head = ''] = text.split('\r\n\r\n', 1);
  return head
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}: `))
    ?.slice(name.length + 2);
}

const PLAIN = { host: '127.0.0.1', security: 'none', from: 'pulselane@fleet.example', to: 'ops@team.example' };

let authority: CertificateAuthority;
let tls: { key: string; cert: string };
beforeAll(async () => {
  authority = await CertificateAuthority.create();
  const { certPem, keyPem } = await authority.server();
  tls = { cert: certPem, key: keyPem };
});
afterAll(() => authority.remove());

test('a mail with text, HTML, and headers for programs that show conversations', async () => {
  await using sink = await MailSink.start({ authOptional: true, disabledCommands: ['STARTTLS'] });
  const to = ['ops@team.example', 'boss@team.example'];
  expect(await sendOnce('email', { ...PLAIN, port: sink.port, to })).toEqual({ outcome: 'sent' });
  const [mail] = sink.mails as [Mail];
  expect(mail).toMatchObject({ from: 'pulselane@fleet.example', to, isSecured: false });
  expect(header(mail, 'Subject')).toBe('FIRING: Hot: gpu-7');
  expect(header(mail, 'To')).toBe(to.join(', '));
  expect(header(mail, 'Auto-Submitted')).toBe('auto-generated');
  expect(header(mail, 'Message-ID')).toMatch(/^<[0-9a-f]{40}@fleet\.example>$/);
  expect(header(mail, 'References')).toMatch(/^<[0-9a-f]{40}@fleet\.example>$/);
  const text = mail.text.replaceAll('=\r\n', '').replaceAll('=3D', '=');
  expect(text).toContain('page: gpu-7 is hot\r\n  cpu_usage = 97.1235');
  expect(text).toContain(`details: ${EXTERNAL_URL}/#/workers/gpu-7?from=1&to=2&metric=cpu_usage`);
  expect(text).toContain('<b>page: gpu-7 is hot</b>');
});

test('the same notification has the same id, and a group is one conversation', () => {
  const of = (notification = someNotification()) => mailOf(notification, PLAIN.from, EXTERNAL_URL);
  const first = of();
  expect(of()).toEqual(first);
  const over = of(someNotification([resolvedAlert()], { dedupKey: 'pager/0/8' }));
  expect(over.messageId).not.toBe(first.messageId);
  expect(over.references).toBe(first.references);
  expect(of(someNotification([], { groupKey: 'other' })).references).not.toBe(first.references);
});

test('STARTTLS with user and password', async () => {
  await using sink = await MailSink.start({
    ...tls,
    onAuth: ({ username, password }, _, done) => {
      if (username === 'pulselane' && password === 's3cret-pw') done(null, { user: username });
      else done(new Error('Invalid username or password'));
    },
  });
  const fields = {
    ...PLAIN,
    host: 'localhost',
    port: sink.port,
    security: 'starttls',
    ca: authority.pem,
    user: 'pulselane',
  };
  expect(await sendOnce('email', { ...fields, password: 's3cret-pw' })).toEqual({ outcome: 'sent' });
  expect(sink.mails).toMatchObject([{ isSecured: true, user: 'pulselane' }]);
  expect(await sendOnce('email', { ...fields, password: 'wrong' })).toEqual({
    outcome: 'retry',
    detail: `localhost:${sink.port}: user and password were refused: 535 Invalid username or password`,
  });
});

test('TLS from the start, and a certificate that is not trusted', async () => {
  await using sink = await MailSink.start({ ...tls, secure: true, authOptional: true });
  const fields = { ...PLAIN, host: 'localhost', port: sink.port, security: 'tls' };
  expect(await sendOnce('email', { ...fields, ca: authority.pem })).toEqual({ outcome: 'sent' });
  expect(sink.mails).toMatchObject([{ isSecured: true }]);
  expect(await sendOnce('email', fields)).toMatchObject({
    outcome: 'retry',
    detail: expect.stringContaining('its certificate is of no authority that is trusted'),
  });
});

test('a server without STARTTLS gets neither the mail nor the password', async () => {
  let hasAuth = false;
  await using sink = await MailSink.start({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: (_, __, done) => {
      hasAuth = true;
      done(null, { user: 'x' });
    },
  });
  const outcome = await sendOnce('email', {
    ...PLAIN,
    security: 'starttls',
    port: sink.port,
    user: 'u',
    password: 'p',
  });
  expect(outcome).toEqual({
    outcome: 'retry',
    detail: `127.0.0.1:${sink.port}: STARTTLS failed: 500 Error: command not recognized; security: tls is for servers that are encrypted from the start, none for servers without encryption`,
  });
  expect(sink.mails).toEqual([]);
  expect(hasAuth).toBe(false);
});

test('recipients that are refused for good do not keep the others from it', async () => {
  await using sink = await MailSink.start({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo: ({ address }, _, done) => {
      if (address.startsWith('gone')) done(Object.assign(new Error('No such user here'), { responseCode: 550 }));
      else done();
    },
  });
  const context = testContext();
  const fields = { ...PLAIN, port: sink.port };
  const to = ['gone@team.example', 'ops@team.example'];
  expect(await sendOnce('email', { ...fields, to }, { context })).toEqual({ outcome: 'sent' });
  expect(sink.mails).toMatchObject([{ to: ['ops@team.example'] }]);
  expect(context.logged).toEqual([
    {
      level: 'warn',
      message: `the receiver pager: some recipients were refused: 127.0.0.1:${sink.port}: gone@team.example was refused: 550 No such user here`,
    },
  ]);
  expect(await sendOnce('email', { ...fields, to: ['gone@team.example'] })).toEqual({
    outcome: 'refused',
    detail: `127.0.0.1:${sink.port}: gone@team.example was refused: 550 No such user here`,
  });
});

test('who is refused for now gets it later, and nobody gets it twice', async () => {
  let isGreylisted = true;
  await using sink = await MailSink.start({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo: ({ address }, _, done) => {
      const isLater = isGreylisted && address.startsWith('grey');
      done(isLater ? Object.assign(new Error('Try later'), { responseCode: 450 }) : undefined);
    },
  });
  const sender = senderOf(
    'email',
    { ...PLAIN, port: sink.port, to: 'ops@team.example, grey@team.example' },
    testContext(),
  );
  const send = () => sender.send(someNotification(), new AbortController().signal);
  expect(await send()).toMatchObject({
    outcome: 'retry',
    detail: expect.stringContaining('grey@team.example was refused: 450'),
  });
  isGreylisted = false;
  expect(await send()).toEqual({ outcome: 'sent' });
  expect(sink.mails.map(({ to }) => to)).toEqual([['ops@team.example'], ['grey@team.example']]);
  expect(header(sink.mails[1] as Mail, 'Message-ID')).toBe(header(sink.mails[0] as Mail, 'Message-ID'));
  // The next mail goes to both.
  expect(
    await sender.send(someNotification([someAlert()], { dedupKey: 'next' }), new AbortController().signal),
  ).toEqual({
    outcome: 'sent',
  });
  expect(sink.mails[2]?.to).toEqual(['ops@team.example', 'grey@team.example']);
});

test('nothing of a worker becomes a header', async () => {
  await using sink = await MailSink.start({ authOptional: true, disabledCommands: ['STARTTLS'] });
  const name = 'a\r\nBcc: victim@team.example\r\n\r\n<script>\u202e';
  const alert = someAlert({ rule: name, subject: { kind: 'worker', name }, annotations: { summary: name } });
  expect(await sendOnce('email', { ...PLAIN, port: sink.port }, { notification: someNotification([alert]) })).toEqual({
    outcome: 'sent',
  });
  const [mail] = sink.mails as [Mail];
  expect(mail.to).toEqual(['ops@team.example']);
  expect(header(mail, 'Bcc')).toBeUndefined();
  expect(header(mail, 'Subject')).toContain('FIRING: a Bcc: victim@team.example');
  // In the plain text it is only text.
  expect(mail.text.slice(mail.text.indexOf('<html>'))).not.toContain('<script>');
});

test('nothing listens, and a name without an address', async () => {
  const port = await freePort();
  expect(await sendOnce('email', { ...PLAIN, port })).toEqual({
    outcome: 'retry',
    detail: `127.0.0.1:${port}: 127.0.0.1 port ${port} refused the connection: nothing listens there`,
  });
  expect(await sendOnce('email', { ...PLAIN, host: 'mail.invalid' })).toMatchObject({
    outcome: 'retry',
    detail: expect.stringMatching(/^mail\.invalid:25: .*\(DNS\)$/),
  });
});

test('a server that hangs is given up in time', async () => {
  let connected = false;
  const server = createServer((socket) => {
    connected = true;
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('220 a\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const context = testContext();
  const sent = senderOf('email', { ...PLAIN, port }, context).send(someNotification(), new AbortController().signal);
  await eventually(() => connected);
  context.clock.advance(30_000);
  expect(await sent).toEqual({ outcome: 'retry', detail: `127.0.0.1:${port}: no answer within 30 s` });
  // Its connection is closed.
  await new Promise((resolve) => server.close(resolve));
});
