import { connect, createServer, type Server, type Socket } from 'node:net';

/** A cable on loopback: what connects to its port reaches the port at its other end, until it is cut. */
export class Line {
  /** Its near end: address and port. */
  readonly name: string;
  readonly port: number;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #to: number;
  #isCut = false;

  private constructor(server: Server, name: string, port: number, to: number) {
    this.#server = server;
    this.name = name;
    this.port = port;
    this.#to = to;
    server.on('connection', (socket) => this.#join(socket));
  }

  static async open(to: number, address = '127.0.0.1'): Promise<Line> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((done) => server.listen(0, address, done));
    const bound = server.address();
    if (bound === null || typeof bound !== 'object') throw new Error('no port');
    return new Line(server, `${address}:${bound.port}`, bound.port, to);
  }

  /** Connections end at once and new ones are refused. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  heal(): void {
    this.#isCut = false;
  }

  /** From now on another port is at the other end. */
  lead(to: number): void {
    this.#to = to;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket): void {
    if (this.#isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#to, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
