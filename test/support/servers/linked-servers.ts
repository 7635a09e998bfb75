import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ThrowAwayCa } from '../throw-away-ca.ts';
import { freePort, ServerProcess } from './server-process.ts';

/** What one server asked of another, and has been answered there. */
export interface Answered {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly body: string;
}

/**
 * Called when a server has answered and the asker does not know yet; false keeps the answer from it. The asking server
 * stands still meanwhile as far as this call goes.
 */
export type Watch = (call: Answered) => boolean | Promise<boolean>;

/** Servers in processes of their own, which reach each other over TLS through doors that a test may watch. */
export class LinkedServers {
  readonly #servers = new Map<string, ServerProcess>();
  readonly #doors: Server[] = [];
  #watch: Watch = () => true;

  /** `prepare`: is told the folder of each server before its start, and may say what its environment shall be. */
  static async start(
    names: readonly string[],
    toml = '',
    prepare: (name: string, dir: string) => NodeJS.ProcessEnv = () => ({}),
  ): Promise<LinkedServers> {
    const linked = new LinkedServers();
    const ca = await ThrowAwayCa.create();
    const places = await Promise.all(
      names.map(async (name) => {
        const inside = await freePort();
        const { cert, key } = await ca.issue(name);
        const door = createServer({ cert, key }, (asked, answer) => void linked.#pass(name, inside, asked, answer));
        linked.#doors.push(door.listen(0, '127.0.0.1'));
        await once(door, 'listening');
        return { name, inside, outside: (door.address() as AddressInfo).port };
      }),
    );
    const resolve = places.map(({ name, outside }) => `${JSON.stringify(name)} = "127.0.0.1:${outside}"`).join(', ');
    await Promise.all(
      places.map(async ({ name, inside }) => {
        const dir = mkdtempSync(join(tmpdir(), 'hearth-'));
        const trusted = join(dir, 'ca.pem');
        writeFileSync(trusted, ca.cert);
        const more = `[[listen]]
address = "127.0.0.1"
port = ${inside}
serves = ["federation"]
[federation]
retry_min = "1s"
retry_max = "2s"
custom_ca_files = [${JSON.stringify(trusted)}]
resolve = { ${resolve} }
${toml}`;
        const env = prepare(name, dir);
        const options = { dir, serverName: name, toml: more, port: await freePort(), env };
        linked.#servers.set(name, await ServerProcess.start(options));
      }),
    );
    return linked;
  }

  get(name: string): ServerProcess {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`there is no server ${name}`);
    return server;
  }

  /** Starts a server again that was stopped or killed. */
  async restart(name: string): Promise<void> {
    this.#servers.set(name, await this.get(name).restart());
  }

  /** Until the next call. */
  watch(watch: Watch = () => true): void {
    this.#watch = watch;
  }

  async remove(): Promise<void> {
    for (const door of this.#doors) {
      door.closeAllConnections();
      door.close();
    }
    await Promise.all([...this.#servers.values()].map((server) => server.remove()));
  }

  async #pass(name: string, port: number, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = asked;
    const cut = (): void => void asked.socket.destroy();
    const inner = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false });
    inner.once('error', cut);
    inner.once('response', (inside: IncomingMessage) => {
      const parts: Buffer[] = [];
      inside.on('data', (part: Buffer) => parts.push(part));
      inside.once('error', cut);
      inside.once('end', () => {
        const from = /origin="?([^",]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
        const body = Buffer.concat(parts);
        const status = inside.statusCode ?? 502;
        const call = { from, to: name, method, path: url, status, body: body.toString() };
        void Promise.resolve(this.#watch(call)).then((isToPass) => {
          if (!isToPass) return cut();
          answer.writeHead(status, inside.headers).end(body);
        }, cut);
      });
    });
    asked.pipe(inner);
  }
}
