import { chmodSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { AdminError } from '../../admin/admin-error.ts';
import { isOperation, runOperation } from '../../admin/operations.ts';
import type { AdminServices } from '../../admin/services.ts';
import { isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import { createServer } from '../../util/node-http.ts';

const maxBody = 1024 * 1024;

/**
 * `admin.sock`: the door by which `hearth <command>` reaches the running server. `POST /v1/<operation>` with the input as
 * JSON answers 200 `{ "result": … }`, or 400 (refused), 404 (no such operation), 500 with `{ "error": { code, message } }`.
 * Who may open the socket is the admin: it belongs to the server's user, mode 0600.
 */
export class AdminSocket {
  readonly #server: Server;
  readonly #services: AdminServices;
  readonly #log: Log;

  private constructor(server: Server, services: AdminServices, log: Log) {
    this.#server = server;
    this.#services = services;
    this.#log = log;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
  }

  /** Takes the place of a socket that a dead server left; the caller holds the process lock, so none is alive. */
  static async listen(path: string, services: AdminServices, log: Log): Promise<AdminSocket> {
    rmSync(path, { force: true });
    const server = createServer();
    const socket = new AdminSocket(server, services, log.child('admin'));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(path, 0o600);
    return socket;
  }

  /** Stops listening, which also removes the socket. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await this.#run(request);
    const text = JSON.stringify(body);
    response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
    response.end(text);
  }

  async #run(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const name = /^\/v1\/([a-z/-]+)$/.exec(request.url ?? '')?.[1] ?? '';
    if (request.method !== 'POST' || !isOperation(name)) {
      return failure(404, 'unknown_operation', 'the running server does not know this operation');
    }
    try {
      const input = await readJson(request);
      const result = await runOperation(this.#services, name, input);
      this.#log.info('admin.operation', { operation: name });
      return { status: 200, body: { result } };
    } catch (error) {
      if (error instanceof AdminError) return failure(400, error.code, error.message);
      if (isDiskFull(error))
        return failure(400, 'disk_full', 'the disk of the server is full: make room and try again');
      this.#log.error('admin.failed', { operation: name, error });
      return failure(500, 'internal', 'the operation failed; the log of the server says why');
    }
  }
}

function failure(status: number, code: string, message: string) {
  return { status, body: { error: { code, message } } };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBody) throw new AdminError('bad_input', 'the input is too large');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new AdminError('bad_input', 'the input is not JSON');
  }
}
