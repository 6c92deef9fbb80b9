/** E-mail by SMTP: one connection per mail, because hours may lie between two. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { masked, shownText } from '../../../lib/secret-text.ts';
import { VERSION } from '../../../lib/version.ts';
import type { EmailSettings } from '../../rules/receivers/email.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { colourOf } from './colours.ts';
import type { ReceiverContext } from './context.ts';
import { mailHtml, mailText } from './mail-text.ts';
import { messageOf, oneLine } from './message.ts';
import { Partly } from './partly.ts';
import { plainCause } from './plain-cause.ts';
import { MAIL_WITHIN_MS } from './receiver-limits.ts';

const PORTS = { starttls: 587, tls: 465, none: 25 } as const;

export class EmailSender implements Sender {
  readonly #settings: EmailSettings;
  readonly #context: ReceiverContext;
  readonly #place: string;
  readonly #secrets: readonly string[];
  /** Recipients that have it, or never will: a mail of which some were refused for now is sent to these again, and to nobody twice. */
  readonly #done = new Partly();

  constructor(settings: EmailSettings, context: ReceiverContext) {
    const { host, port, security, password } = settings;
    this.#settings = settings;
    this.#context = context;
    this.#place = `${host.includes(':') ? `[${host}]` : host}:${port ?? PORTS[security]}`;
    this.#secrets = password === undefined ? [] : [password, Buffer.from(password).toString('base64')];
  }

  async send(notification: Notification, signal: AbortSignal): Promise<SendOutcome> {
    const { dedupKey } = notification;
    const done = this.#done.of(dedupKey);
    const left = this.#settings.to.filter((address) => !done.has(address));
    const result = await this.#attempt(notification, left, signal);
    if (result.type === 'failed') return result.outcome;
    for (const address of result.accepted) done.add(address);
    const forGood = result.rejected.filter(({ isForGood }) => isForGood);
    const forNow = result.rejected.filter(({ isForGood }) => !isForGood);
    const detail = this.#detail(
      result.rejected.map(({ address, said }) => `${address} was refused: ${said}`).join('; '),
    );
    if (forNow.length > 0) {
      for (const { address } of forGood) done.add(address);
      return { outcome: 'retry', detail };
    }
    this.#done.forget(dedupKey);
    if (forGood.length === 0) return { outcome: 'sent' };
    // Who else was to get it has it; sending it again would only repeat it to them.
    if (forGood.length < this.#settings.to.length) {
      this.#context.log(
        'warn',
        `the receiver ${oneLine(notification.receiver)}: some recipients were refused: ${detail}`,
      );
      return { outcome: 'sent' };
    }
    return { outcome: 'refused', detail };
  }

  async close(): Promise<void> {}

  async #attempt(notification: Notification, to: readonly string[], signal: AbortSignal): Promise<Attempt> {
    const { host, port, security, user, password, ca } = this.#settings;
    // Loaded when the first mail is sent: most masters send none.
    const { createTransport } = await import('nodemailer');
    const sockets = new Set<Socket>();
    const ended = Promise.withResolvers<Attempt>();
    const giveUp = (detail: string) => {
      for (const socket of sockets) socket.destroy();
      ended.resolve({ type: 'failed', outcome: { outcome: 'retry', detail: this.#detail(detail) } });
    };
    const timer = this.#context.clock.after(MAIL_WITHIN_MS, () =>
      giveUp(`no answer within ${MAIL_WITHIN_MS / 1000} s`),
    );
    const stop = () => giveUp('it was not sent, because the master stops');
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const transport = createTransport({
      host,
      port: port ?? PORTS[security],
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
      tls: { ...(ca === undefined ? {} : { ca }), ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) },
      // Our own sockets, so that an attempt can be given up.
      getSocket: (
        options: { host?: string; port?: number | string },
        callback: (error: Error | null, found?: object) => void,
      ) => {
        const socket = connect({ host: options.host ?? host, port: Number(options.port) });
        sockets.add(socket);
        socket.once('error', (error) => callback(error));
        socket.once('connect', () => {
          socket.removeAllListeners('error');
          callback(null, { connection: socket });
        });
      },
      disableFileAccess: true,
      disableUrlAccess: true,
    } as unknown as Parameters<typeof createTransport>[0]);
    transport.sendMail({ ...mailOf(notification, this.#settings.from, this.#context.externalUrl), to: [...to] }).then(
      (info) => ended.resolve(attemptOf(info, this.#secrets)),
      (error: unknown) => ended.resolve(this.#failure(error)),
    );
    try {
      return await ended.promise;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', stop);
      transport.close();
      for (const socket of sockets) socket.destroy();
    }
  }

  #failure(error: unknown): Attempt {
    const { responseCode, response, code, rejectedErrors } = error as SmtpError;
    // All recipients were refused.
    if (rejectedErrors !== undefined && rejectedErrors.length > 0)
      return attemptOf({ accepted: [], rejectedErrors }, this.#secrets);
    const said =
      typeof response === 'string' && response !== ''
        ? shownText(response, this.#secrets)
        : masked(plainCause(error, this.#settings.host), this.#secrets);
    return { type: 'failed', outcome: this.#outcomeOf(code ?? '', said, (responseCode ?? 0) >= 500) };
  }

  #outcomeOf(code: string, said: string, isForGood: boolean): SendOutcome {
    // A certificate, a wrong setting, or a directory of users that is away: the mail itself was not refused.
    if (code === 'ETLS') return { outcome: 'retry', detail: this.#detail(this.#tlsText(said)) };
    if (code === 'EAUTH') return { outcome: 'retry', detail: this.#detail(`user and password were refused: ${said}`) };
    return { outcome: isForGood ? 'refused' : 'retry', detail: this.#detail(said) };
  }

  #tlsText(said: string): string {
    if (this.#settings.security !== 'starttls') return said;
    return `STARTTLS failed: ${said}; security: tls is for servers that are encrypted from the start, none for servers without encryption`;
  }

  #detail(text: string): string {
    return `${this.#place}: ${text}`;
  }
}

type Attempt =
  | { readonly type: 'failed'; readonly outcome: SendOutcome }
  | { readonly type: 'taken'; readonly accepted: readonly string[]; readonly rejected: readonly Rejected[] };

interface Rejected {
  readonly address: string;
  readonly said: string;
  readonly isForGood: boolean;
}

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly recipient?: string;
  readonly rejectedErrors?: readonly SmtpError[];
}

function attemptOf(info: unknown, secrets: readonly string[]): Attempt {
  const { accepted = [], rejectedErrors = [] } = info as {
    accepted?: readonly (string | { address: string })[];
    rejectedErrors?: readonly SmtpError[];
  };
  return {
    type: 'taken',
    accepted: accepted.map((one) => (typeof one === 'string' ? one : one.address)),
    rejected: rejectedErrors.map(({ recipient = '', response = '', responseCode = 0 }) => ({
      address: recipient,
      said: shownText(response, secrets),
      isForGood: responseCode >= 500,
    })),
  };
}

/** Everything of a mail but its recipients. Ids are made of digests: nothing foreign is in them. */
export function mailOf(notification: Notification, from: string, externalUrl: string) {
  const message = messageOf(notification, externalUrl);
  const { groupKey, dedupKey, receiver, targetKey, isTrial, createdUnixMs } = notification;
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const thread = messageId(['group', receiver, targetKey, groupKey, isTrial], domain);
  return {
    from,
    subject: message.title,
    text: mailText(message),
    html: mailHtml(message, colourOf(notification.alerts)),
    date: new Date(createdUnixMs),
    messageId: messageId(['mail', receiver, targetKey, dedupKey], domain),
    // No mail has this id: programs show all that refer to it as one conversation.
    inReplyTo: thread,
    references: thread,
    // RFC 3834: nobody's out-of-office note answers.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Mailer': `pulselane/${VERSION}` },
  };
}

function messageId(parts: readonly unknown[], domain: string): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
  return `<${digest}@${domain}>`;
}
