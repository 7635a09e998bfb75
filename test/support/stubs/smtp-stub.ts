import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';

export interface TakenMail {
  readonly from: string;
  readonly to: string;
  /** Headers and body, with encodings of the body undone. */
  readonly text: string;
}

/** A mail server over real TCP that keeps what it is given. */
export class SmtpStub implements AsyncDisposable {
  readonly mails: TakenMail[] = [];
  /** What it says to a recipient. */
  answer = '250 OK';
  /** What clients logged in with. */
  readonly logins: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<SmtpStub> {
    const server = createServer();
    const stub = new SmtpStub(server);
    server.on('connection', (socket) => stub.#talk(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  /** The table `[smtp]` with which a server mails here. */
  get settings(): Record<string, unknown> {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port, tls: 'off', from: 'hearth@localhost', username: 'hearth', password: 'secret' };
  }

  /** Resolves once so many mails were taken. */
  async until(count: number): Promise<void> {
    while (this.mails.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Where the link in the newest mail leads, without the host. */
  get link(): string {
    const [, link] = /https:\/\/hs\.test(\S+)/.exec(this.mails.at(-1)?.text ?? '') ?? [];
    if (link === undefined) throw new Error('there is no link in the newest mail');
    return link;
  }

  #talk(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const say = (line: string) => socket.write(`${line}\r\n`);
    let pending = '';
    let isData = false;
    let [from, to, text] = ['', '', ''];
    const hear = (line: string) => {
      if (isData) {
        if (line !== '.') {
          text += `${line}\n`;
          return;
        }
        isData = false;
        this.mails.push({ from, to, text: decode(text) });
        for (const wake of this.#waiting.splice(0)) wake();
        say('250 Taken');
        return;
      }
      const command = line.slice(0, 4).toUpperCase();
      if (command === 'EHLO') socket.write('250-stub\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n');
      else if (command === 'AUTH') {
        this.logins.push(
          Buffer.from(line.slice('AUTH PLAIN '.length), 'base64').toString().replaceAll('\0', ' ').trim(),
        );
        say('235 Hello');
      } else if (command === 'MAIL') {
        from = line;
        say('250 OK');
      } else if (command === 'RCPT') {
        to = /<(.*)>/.exec(line)?.[1] ?? '';
        say(this.answer);
      } else if (command === 'DATA') {
        isData = true;
        text = '';
        say('354 Go on');
      } else if (command === 'QUIT') socket.end('221 Bye\r\n');
      else say('250 OK');
    };
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString();
      const lines = pending.split('\r\n');
      pending = lines.pop() as string;
      lines.forEach(hear);
    });
    say('220 stub');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function decode(mail: string): string {
  if (!/^content-transfer-encoding: quoted-printable/im.test(mail)) return mail;
  const plain = mail.replaceAll('=\n', '');
  const bytes = plain.replace(/(?:=[0-9A-F]{2})+/g, (run) => Buffer.from(run.replaceAll('=', ''), 'hex').toString());
  return bytes;
}
