import type { Transporter } from 'nodemailer';
import type { Config } from '../config/config.ts';
import type { Clock } from '../util/clock.ts';
import { Slots } from './slots.ts';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  /** Plain text. */
  readonly text: string;
}

export type MailOutcome =
  | { readonly kind: 'sent' }
  /** The mail server will never take it, for instance because there is no such mailbox. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** It may be taken later. */
  | { readonly kind: 'failed'; readonly detail: string };

/** Connections at once: mail servers mind more, and each may hang for as long as the time limits say. */
const atOnce = 2;
/** Beyond this many a mail would come late; who wants it may ask again. */
const longestQueue = 50;
const connectWithin = 10_000;
const answerWithin = 30_000;

/** Sends mail through the server of `[smtp]`; the library is loaded with the first mail. */
export class Mailer {
  /** Whether a mail server is configured. */
  readonly enabled: boolean;
  readonly #smtp: Config['smtp'];
  readonly #clock: Pick<Clock, 'isRight'>;
  readonly #slots = new Slots(atOnce, longestQueue);
  #transporter: Promise<Transporter> | undefined;

  constructor(smtp: Config['smtp'], clock: Pick<Clock, 'isRight'>) {
    this.#smtp = smtp;
    this.#clock = clock;
    this.enabled = smtp.host !== undefined;
  }

  /** Resolves when the mail server has answered; never rejects. */
  async send({ to, subject, text }: Mail): Promise<MailOutcome> {
    const { from } = this.#smtp;
    if (!this.enabled || from === undefined) return { kind: 'refused', detail: 'no mail server is configured' };
    if (!this.#clock.isRight) return { kind: 'failed', detail: 'this server does not know the time' };
    if (!(await this.#slots.take())) return { kind: 'failed', detail: 'too many mails wait' };
    try {
      this.#transporter ??= this.#open();
      // As objects addresses are not searched for lists and names.
      const address = (value: string) => ({ name: '', address: value });
      const headers = { 'Auto-Submitted': 'auto-generated' };
      await (await this.#transporter).sendMail({ from: address(from), to: address(to), subject, text, headers });
      return { kind: 'sent' };
    } catch (problem) {
      const { responseCode, message } = problem as { responseCode?: number; message?: string };
      const detail = String(message);
      const isFinal = responseCode !== undefined && responseCode >= 500 && responseCode !== 530 && responseCode !== 535;
      return { kind: isFinal ? 'refused' : 'failed', detail };
    } finally {
      this.#slots.giveBack();
    }
  }

  async #open(): Promise<Transporter> {
    const { host, port, tls, username, password } = this.#smtp;
    const { createTransport } = await import('nodemailer');
    return createTransport({
      host: host as string,
      port,
      secure: tls === 'on',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'off',
      ...(username === undefined ? {} : { auth: { user: username, pass: password ?? '' } }),
      connectionTimeout: connectWithin,
      greetingTimeout: connectWithin,
      dnsTimeout: connectWithin,
      socketTimeout: answerWithin,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }
}
