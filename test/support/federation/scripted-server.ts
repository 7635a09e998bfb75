import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { json } from '../../../src/api/http/reply.ts';
import type { HttpCall, Reply } from '../../../src/api/http/types.ts';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { type BuiltEvent, buildEvent, type EventDraft } from '../../../src/protocol/events/build.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { ServerName, UserId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import { signRequest } from '../../../src/protocol/signing/request.ts';
import { millis } from '../../../src/util/brand.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import type { FakeClock } from '../stubs/fake-clock.ts';
import type { Network } from './network.ts';

/** What a scripted server is asked. */
export interface Asked {
  readonly from: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What the pattern's groups caught, percent-decoded. */
  readonly params: readonly string[];
  // oxlint-disable-next-line typescript/no-explicit-any -- requests of every form
  readonly body: any;
}

/** An object is answered as JSON with 200; a `Reply` as it is; a thrown `MatrixError` as such. */
export type Script = (asked: Asked) => JsonObject | Reply | Promise<JsonObject | Reply>;

/** A server that says what a test tells it to, with good signatures if not told otherwise. It publishes its key by itself. */
export class ScriptedServer {
  readonly name: ServerName;
  readonly key: SigningKey;
  readonly #network: Network;
  readonly #clock: FakeClock;
  readonly #scripts: { method: string; pattern: RegExp; script: Script }[] = [];

  constructor(name: string, network: Network, clock: FakeClock) {
    this.name = asServerName(name);
    this.key = new SigningKey(asKeyId('ed25519:s1'), createHash('sha256').update(`key of ${name}`).digest());
    this.#network = network;
    this.#clock = clock;
    network.join(name, (call, from) => this.#answer(call, from));
    this.on('GET', '/_matrix/key/v2/server', () => this.publishedKeys());
  }

  user(localpart: string): UserId {
    return asUserId(`@${localpart}:${this.name}`);
  }

  /** What it says about its keys. */
  publishedKeys(validFor = 24 * 3600 * 1000): JsonObject {
    return signJson(
      {
        server_name: this.name,
        verify_keys: { [this.key.keyId]: { key: this.key.publicKeyBase64 } },
        old_verify_keys: {},
        valid_until_ts: this.#clock.now() + validFor,
      },
      this.name,
      this.key,
    );
  }

  /** `{}` in the path stands for one segment; what it says is not percent-encoded. What is said last counts. */
  on(method: string, path: string, script: Script): this {
    const source = path
      .split('/')
      .map((segment) =>
        segment === '{}' ? '([^/]+)' : `(?:${literal(encodeURIComponent(segment))}|${literal(segment)})`,
      )
      .join('/');
    this.#scripts.unshift({ method, pattern: new RegExp(`^${source}$`), script });
    return this;
  }

  /** A complete event of this server, signed. `roomVersion` decides its form. */
  event(draft: EventDraft, roomVersion: string): BuiltEvent {
    return buildEvent(draft, rulesOf(roomVersion), { serverName: this.name, key: this.key });
  }

  /** Sends a signed request; answers status and JSON. */
  async request(
    to: string,
    method: 'GET' | 'POST' | 'PUT',
    uri: string,
    content?: JsonObject,
    // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  ): Promise<{ status: number; json: any }> {
    const destination = asServerName(to);
    const signed = { method, uri, origin: this.name, destination, ...(content === undefined ? {} : { content }) };
    const result = await this.#network.transportOf(this.name).send({
      server: destination,
      method,
      uri,
      headers: { Authorization: signRequest(signed, this.key) },
      ...(content === undefined ? {} : { body: canonicalJson(content, 'lenient') }),
      timeout: millis(10_000),
    });
    if (!result.ok) throw new Error(`${to} did not answer ${uri}: ${result.detail}`);
    const chunks: Buffer[] = [];
    for await (const chunk of result.body) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString('utf8');
    return { status: result.status, json: answer === '' ? undefined : JSON.parse(answer) };
  }

  /** Sends a transaction; answers what became of each event. */
  #txn = 0;
  async send(to: string, pdus: readonly unknown[], edus: readonly JsonObject[] = []) {
    const content = { origin: this.name, origin_server_ts: this.#clock.now(), pdus: [...pdus], edus: [...edus] };
    const uri = `/_matrix/federation/v1/send/t${++this.#txn}`;
    return this.request(to, 'PUT', uri, content as unknown as JsonObject);
  }

  async #answer(call: HttpCall, from: string): Promise<Reply> {
    const [path = '', query = ''] = call.url.split('?', 2);
    for (const { method, pattern, script } of this.#scripts) {
      const match = method === call.method ? pattern.exec(plainPath(path)) : null;
      if (match === null) continue;
      const body = await text(call.stream);
      const params = match.slice(1).map(decodeURIComponent);
      const asked = { from, method, path, query: new URLSearchParams(query), params };
      return this.#run(script, { ...asked, body: body === '' ? undefined : JSON.parse(body) });
    }
    return json(404, { errcode: 'M_UNRECOGNIZED', error: 'not in the script' });
  }

  async #run(script: Script, asked: Asked): Promise<Reply> {
    try {
      const answer = await script(asked);
      return isReply(answer) ? answer : json(answer);
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      return json(error.status, { errcode: error.errcode, error: error.message });
    }
  }
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function isReply(answer: JsonObject | Reply): answer is Reply {
  return typeof answer['status'] === 'number' && 'headers' in answer && 'body' in answer;
}

export function rulesOf(version: string): RoomVersionRules {
  const rules = roomVersionRules(version);
  if (rules === undefined) throw new Error(`there is no room version ${version}`);
  return rules;
}

/** Sigils and colons may be percent-encoded or not; what would change the segments stays as it is. */
function plainPath(path: string): string {
  return path.replaceAll(/%(?:21|24|3A|40)/gi, decodeURIComponent);
}
