import { createReadStream, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { json as readJson } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import type { ServerName } from '../../../src/protocol/ids/types.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { type GiantAbout, giantKey, giantServer, readGiant } from './giant-room.ts';

export interface GiantServerOptions {
  readonly folder: string;
  readonly port: number;
  /** PEM, good for `giant.test` and `*.giant.test`. */
  readonly cert: string;
  readonly key: string;
  /** Whether `omit_members` is understood. */
  readonly canOmitMembers: boolean;
  /** Whether anybody is told how large the room is before it is joined, as most servers do. */
  readonly tellsSize?: boolean;
  /** Servers that never answer, not even for their keys: those with a number from here on. */
  readonly silentFrom?: number;
}

/** Events that are in the state before any member but the creator, whose ID is second. */
const openingEvents = 6;

/** All servers of a giant room behind one port, told apart by their names. Only what a joining server asks is answered. */
export class GiantServer {
  readonly #options: GiantServerOptions;
  readonly #about: GiantAbout;
  readonly #server: Server;
  /** What was asked, by path without its parameters; transactions that came in. */
  readonly asked: Record<string, number> = {};
  /** Servers that got a transaction. */
  readonly #told = new Set<string>();
  /** What was said, each with the servers that have heard of it. */
  readonly #heard = new Map<string, Set<string>>();
  #silentFrom: number;
  #connections = 0;
  #offsets: Map<string, { file: string; start: number; end: number }> | undefined;

  private constructor(options: GiantServerOptions) {
    this.#options = options;
    this.#about = readGiant(options.folder);
    this.#silentFrom = options.silentFrom ?? Number.POSITIVE_INFINITY;
    this.#server = createServer({ cert: options.cert, key: options.key }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        response.destroy();
      });
    });
    this.#server.on('secureConnection', (socket) => this.#count(socket));
  }

  /** Servers with a number from here on answer nothing any more. */
  silence(from: number): void {
    this.#silentFrom = from;
  }

  /** How many connections there are at most. */
  #count(socket: TLSSocket): void {
    this.#connections++;
    this.asked['most connections'] = Math.max(this.asked['most connections'] ?? 0, this.#connections);
    socket.once('close', () => this.#connections--);
  }

  /** `deliveries` counts each message once for each server, however often it comes. */
  #hear(host: string, { pdus }: { readonly pdus: readonly JsonObject[] }): void {
    for (const { type, depth, content } of pdus) {
      if (type !== 'm.room.message') continue;
      const what = JSON.stringify([depth, content]);
      const heard = this.#heard.get(what) ?? new Set();
      this.#heard.set(what, heard);
      if (!heard.has(host)) this.asked['deliveries'] = (this.asked['deliveries'] ?? 0) + 1;
      heard.add(host);
    }
  }

  static async listen(options: GiantServerOptions): Promise<GiantServer> {
    const giant = new GiantServer(options);
    await new Promise<void>((done) => giant.#server.listen(options.port, '127.0.0.1', done));
    return giant;
  }

  get about(): GiantAbout {
    return this.#about;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://giant.test');
    const host = (request.headers.host ?? '').replace(/:\d+$/, '') as ServerName;
    const parts = url.pathname.split('/').map(decodeURIComponent);
    const what = parts[4] === undefined || parts[2] === 'key' ? parts.slice(2, 5).join('/') : parts[4];
    this.asked[what] = (this.asked[what] ?? 0) + 1;
    const say = (value: JsonObject, status = 200): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    if (this.#isSilent(host)) return; // it never answers
    if (url.pathname === '/_matrix/key/v2/server') return say(publishedKeys(host));
    if (parts[2] === 'key' && request.method === 'POST') {
      const { server_keys: wanted } = (await readJson(request)) as { server_keys: Record<string, unknown> };
      const known = Object.keys(wanted).filter((name) => !this.#isSilent(name));
      return say({ server_keys: known.map((name) => vouched(name as ServerName)) });
    }
    if (request.method === 'PUT' && what === 'send') {
      this.#told.add(host);
      this.asked['servers told'] = this.#told.size;
      this.#hear(host, (await readJson(request)) as { pdus: JsonObject[] });
      return say({ pdus: {} });
    }
    if (this.#options.tellsSize === true && what === 'rooms') return say({ v1: this.#about.stateEvents / 500 });
    if (this.#options.tellsSize === true && what === 'hierarchy') return say(this.#summary());
    if (what === 'make_join') return say(this.#template(parts[6] ?? ''));
    if (what === 'send_join') return this.#sendJoin(request, response, url.searchParams.get('omit_members') === 'true');
    if (what === 'state') return this.#state(response);
    if (what === 'state_ids') return this.#stateIds(response);
    if (what === 'event_auth') return this.#authChain(response);
    if (what === 'event') return this.#event(parts[5] ?? '', say);
    if (what === 'version') return say({ server: { name: 'Giant', version: '1' } });
    if (what === 'backfill') return say({ origin: host, origin_server_ts: 0, pdus: [] });
    if (what === 'get_missing_events') return say({ events: [] });
    say({ errcode: 'M_UNRECOGNIZED', error: 'the giant does not know this' }, 404);
  }

  #isSilent(name: string): boolean {
    return Number(/^s(\d+)\./.exec(name)?.[1] ?? 0) >= this.#silentFrom;
  }

  #summary(): JsonObject {
    const { roomId, members } = this.#about;
    const room = { room_id: roomId, num_joined_members: members, world_readable: false, guest_can_join: false };
    return { room: { ...room, children_state: [] }, children: [], inaccessible_children: [] };
  }

  #template(user: string): JsonObject {
    const { roomId, tip, depth, rules, version } = this.#about;
    const auth = ['m.room.create|', 'm.room.power_levels|', 'm.room.join_rules|'].map((key) => rules[key] ?? '');
    return {
      room_version: version,
      event: {
        type: 'm.room.member',
        room_id: roomId,
        sender: user,
        state_key: user,
        content: { membership: 'join' },
        depth: depth + 1,
        origin_server_ts: Date.UTC(2026, 5, 1),
        prev_events: [tip],
        auth_events: version === '12' ? auth.slice(1) : auth,
      },
    };
  }

  async #sendJoin(request: IncomingMessage, response: ServerResponse, omit: boolean): Promise<void> {
    const event = JSON.stringify(await readJson(request));
    const omitted = omit && this.#options.canOmitMembers;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    const servers = Array.from({ length: this.#about.servers }, (_, index) => giantServer(index));
    const about = omitted ? `"members_omitted":true,"servers_in_room":${JSON.stringify(servers)},` : '';
    await write(response, `{"origin":"${this.#about.resident}",${about}"event":${event},"state":[`);
    await this.#copy('state.ndjson', response, omitted ? openingEvents : Number.MAX_SAFE_INTEGER);
    await write(response, '],"auth_chain":[');
    if (!omitted) await this.#wholeChain(response);
    response.end(']}');
  }

  async #state(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    await write(response, '{"pdus":[');
    await this.#copy('state.ndjson', response, Number.MAX_SAFE_INTEGER);
    await write(response, '],"auth_chain":[');
    await this.#wholeChain(response);
    response.end(']}');
  }

  #stateIds(response: ServerResponse): void {
    const ids = (file: string): string[] =>
      readFileSync(join(this.#options.folder, file), 'utf8').trimEnd().split('\n');
    const state = ids('state.ids');
    const chain = [...state.slice(0, openingEvents), ...ids('auth.ids').filter((id) => id !== '')];
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ pdu_ids: state, auth_chain_ids: chain }));
  }

  async #authChain(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    await write(response, '{"auth_chain":[');
    await this.#copy('state.ndjson', response, openingEvents);
    response.end(']}');
  }

  #event(id: string, say: (value: JsonObject, status?: number) => void): void {
    this.#offsets ??= this.#index();
    const place = this.#offsets.get(id);
    if (place === undefined) return say({ errcode: 'M_NOT_FOUND', error: 'no such event' }, 404);
    const text = readFileSync(join(this.#options.folder, place.file)).subarray(place.start, place.end).toString('utf8');
    say({ origin: this.#about.resident, origin_server_ts: 0, pdus: [JSON.parse(text) as JsonObject] });
  }

  #index(): Map<string, { file: string; start: number; end: number }> {
    const found = new Map<string, { file: string; start: number; end: number }>();
    for (const kind of ['state', 'auth']) {
      const ids = readFileSync(join(this.#options.folder, `${kind}.ids`), 'utf8')
        .trimEnd()
        .split('\n');
      const text = readFileSync(join(this.#options.folder, `${kind}.ndjson`));
      let start = 0;
      for (const id of ids) {
        const end = text.indexOf(10, start);
        found.set(id, { file: `${kind}.ndjson`, start, end });
        start = end + 1;
      }
    }
    return found;
  }

  /** What the auth chains of the whole state hold. */
  async #wholeChain(response: ServerResponse): Promise<void> {
    await this.#copy('state.ndjson', response, openingEvents);
    await this.#copy('auth.ndjson', response, Number.MAX_SAFE_INTEGER, ',');
  }

  async #copy(file: string, response: ServerResponse, limit: number, first = ''): Promise<void> {
    let written = 0;
    let piece = '';
    const stream = createReadStream(join(this.#options.folder, file), { highWaterMark: 256 * 1024 });
    for await (const line of createInterface({ input: stream })) {
      if (written >= limit) break;
      piece += (written === 0 ? first : ',') + line;
      written++;
      if (piece.length < 64 * 1024) continue;
      await write(response, piece);
      piece = '';
    }
    stream.destroy();
    if (piece !== '') await write(response, piece);
  }
}

async function write(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed) throw new Error('the other side has hung up');
  if (response.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function publishedKeys(server: ServerName): JsonObject {
  const key = giantKey(server);
  return signJson(
    {
      server_name: server,
      verify_keys: { [key.keyId]: { key: key.publicKeyBase64 } },
      old_verify_keys: {},
      valid_until_ts: Date.now() + 7 * 24 * 3600 * 1000,
    },
    server,
    key,
  );
}

/** What the room's first server says about another's keys, as a notary. */
function vouched(server: ServerName): JsonObject {
  return signJson(publishedKeys(server), giantServer(0), giantKey(giantServer(0)));
}
