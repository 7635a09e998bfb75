import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a gateway was sent. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into notifications of every form
export type Sent = any;

/** A push gateway that answers over real HTTP and remembers what rang. */
export class GatewayStub implements AsyncDisposable {
  /** All notifications it has taken, in order. */
  readonly taken: Sent[] = [];
  /** What it answers; 200 and no rejected keys unless set. */
  answer: { status: number; body: string } = { status: 200, body: '{"rejected":[]}' };
  /** Whether it answers at all, before `release`. */
  isSilent = false;
  /** Requests it has had, taken or not. */
  requests = 0;
  readonly #server: Server;
  readonly #waiting: (() => void)[] = [];
  readonly #held: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `port`: where another one was before. */
  static async open(port = 0): Promise<GatewayStub> {
    const server = createServer();
    const stub = new GatewayStub(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { status, body } = stub.answer;
        stub.requests++;
        if (status === 200) {
          const sent: Sent = JSON.parse(Buffer.concat(chunks).toString());
          stub.taken.push({ path: request.url, ...sent });
        }
        const reply = () => void response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
        if (stub.isSilent) stub.#held.push(reply);
        else reply();
        for (const wake of stub.#waiting.splice(0)) wake();
      });
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return stub;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/_matrix/push/v1/notify`;
  }

  /** Event IDs that rang, in order. */
  get rang(): string[] {
    return this.taken.flatMap(({ notification }) => notification.event_id ?? []);
  }

  /** Answers what it was silent on, as it would have at once. */
  release(): void {
    for (const reply of this.#held.splice(0)) reply();
  }

  /** Resolves once `holds`, which is asked after each request. */
  async until(holds: (stub: this) => boolean): Promise<void> {
    while (!holds(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
