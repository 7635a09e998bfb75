import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import { sha256 } from '../../../src/util/hash.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ThrowAwayCa } from '../throw-away-ca.ts';

export interface IdentityRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every form
  readonly body: any;
}

interface Kept {
  readonly token: string;
  readonly room_id: string;
  readonly sender: string;
}

const prefix = '/_matrix/identity/v2/';
/** The one that clients of the tests have. */
export const identityToken = 'leave_to_ask';

/**
 * An identity server over real TLS, by the specification: it knows whose addresses are, keeps invites and signs for whom
 * they are. `answers` are given in place of its own.
 */
export class IdentityServer implements AsyncDisposable {
  readonly requests: IdentityRequest[] = [];
  /** Whose addresses are: `email bob@example.org` → user ID. */
  readonly bound = new Map<string, string>();
  /** By path, as `lookup`: status and body, once each. */
  readonly answers = new Map<string, { status: number; body: JsonObject }[]>();
  readonly kept = new Map<string, Kept>();
  /** What was shown to it, by `sid`: medium and address. */
  readonly proven = new Map<string, { medium: string; address: string }>();
  /** Whether it takes back what it was told. */
  unbinds = true;
  pepper = 'matrixrocks';
  isRevoked = false;
  readonly key = new SigningKey(asKeyId('ed25519:0'), Buffer.alloc(32, 5));
  readonly ephemeral = new SigningKey(asKeyId('ed25519:0'), Buffer.alloc(32, 6));
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  static async open(): Promise<IdentityServer> {
    const ca = await ThrowAwayCa.create();
    const folder = mkdtempSync(join(tmpdir(), 'hearth-identity-'));
    writeFileSync(join(folder, 'ca.pem'), ca.cert);
    const server = createServer(await ca.issue('127.0.0.1'));
    const made = new IdentityServer(server, folder);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const { pathname, searchParams: query } = new URL(request.url ?? '', 'https://id.test');
        const { status, body } = made.#answer({
          method: request.method ?? '',
          path: pathname.slice(prefix.length),
          query,
          authorization: request.headers.authorization,
          body: text === '' ? undefined : JSON.parse(text),
        });
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  /** What clients name it. */
  get name(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Of the server that is to reach it. */
  get settings() {
    return {
      network: { allow_ip_ranges: ['127.0.0.1'] },
      federation: { custom_ca_files: [join(this.#folder, 'ca.pem')] },
    };
  }

  /** What was asked, in order. */
  get asked(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }

  /** What shows that the invite of `token` is this user's. */
  proof(token: string, mxid: string): JsonObject {
    const sender = this.kept.get(token)?.sender ?? '';
    return signJson({ mxid, token, sender }, asServerName(this.name), this.ephemeral);
  }

  /** What it tells the user's server once the address is bound. */
  onbind(mxid: string, tokens: readonly string[]): JsonObject {
    const invites = tokens.map((token) => ({
      medium: 'email',
      mxid,
      room_id: this.kept.get(token)?.room_id ?? '',
      sender: this.kept.get(token)?.sender ?? '',
      signed: this.proof(token, mxid),
    }));
    return { medium: 'email', address: 'x@example.org', mxid, invites };
  }

  #answer(request: IdentityRequest): { status: number; body: unknown } {
    this.requests.push(request);
    const { path, query, body } = request;
    const given = this.answers.get(path)?.shift();
    if (given !== undefined) return given;
    if (path === '3pid/unbind') return this.#unbind(request);
    const isAllowed = path.startsWith('pubkey/') || request.authorization === `Bearer ${identityToken}`;
    if (!isAllowed) return { status: 401, body: { errcode: 'M_UNAUTHORIZED', error: 'Who are you?' } };
    const url = `https://${this.name}${prefix}`;
    switch (path) {
      case 'hash_details':
        return { status: 200, body: { lookup_pepper: this.pepper, algorithms: ['none', 'sha256'] } };
      case 'lookup':
        return { status: 200, body: { mappings: this.#mappings(body.addresses) } };
      case '3pid/bind': {
        const proven = this.proven.get(body.sid as string);
        if (proven === undefined) return { status: 404, body: { errcode: 'M_NO_VALID_SESSION', error: 'No session' } };
        this.bound.set(`${proven.medium} ${proven.address}`, body.mxid as string);
        return {
          status: 200,
          body: { ...proven, mxid: body.mxid, not_before: 0, not_after: 1, ts: 0, signatures: {} },
        };
      }
      case 'store-invite':
        return { status: 200, body: this.#keep(body, url) };
      case 'pubkey/isvalid':
      case 'pubkey/ephemeral/isvalid': {
        const key = path === 'pubkey/isvalid' ? this.key : this.ephemeral;
        return {
          status: 200,
          body: { valid: !this.isRevoked && query.get('public_key') === key.publicKeyBase64 },
        };
      }
      default:
        return { status: 404, body: { errcode: 'M_UNRECOGNIZED', error: path } };
    }
  }

  /** The caller's signature is looked at by who has its key. */
  #unbind({ body }: IdentityRequest): { status: number; body: unknown } {
    if (!this.unbinds) return { status: 501, body: { errcode: 'M_UNRECOGNIZED', error: 'Not here' } };
    this.bound.delete(`${body.threepid.medium} ${body.threepid.address}`);
    return { status: 200, body: {} };
  }

  #mappings(asked: readonly string[]): JsonObject {
    const found: JsonObject = {};
    for (const [address, user] of this.bound) {
      const [medium, text] = address.split(' ');
      const hash = sha256(`${text} ${medium} ${this.pepper}`).toString('base64url');
      if (asked.includes(hash)) found[hash] = user;
    }
    return found;
  }

  #keep(body: { readonly room_id: string; readonly sender: string }, url: string) {
    const token = `token${this.kept.size}`;
    this.kept.set(token, { token, room_id: body.room_id, sender: body.sender });
    return {
      token,
      display_name: 'b…@e…',
      public_keys: [
        { public_key: this.key.publicKeyBase64, key_validity_url: `${url}pubkey/isvalid` },
        { public_key: this.ephemeral.publicKeyBase64, key_validity_url: `${url}pubkey/ephemeral/isvalid` },
      ],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true });
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
