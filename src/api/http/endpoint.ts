import { badJson, missingToken, notJson, unrecognized } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { checkStrictNumbers, decodeUtf8, parseExactJson, parseJson } from '../../protocol/parse-json.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { readBody } from './body.ts';
import type { BodyShare } from './body-budget.ts';
import { checkGuest } from './guest-access.ts';
import { isHeavy } from './is-heavy.ts';
import { isTransaction, needsSpace } from './needs-space.ts';
import type { LimitedAction } from './rate-limits.ts';
import type {
  ApiRequest,
  AuthKind,
  BodyKind,
  Endpoint,
  Gate,
  HttpCall,
  Interface,
  Method,
  Reply,
  Target,
} from './types.ts';

export interface EndpointDefinition<Auth extends AuthKind, Body extends BodyKind, Path extends string> {
  readonly method: Method;
  /** `/_matrix/client/v3/rooms/{roomId}`; `{name}` takes one path segment. `r0` and `v1` forms come by themselves. */
  readonly path: Path;
  /** Further spellings of the path. */
  readonly alsoAt?: readonly string[];
  readonly auth: Auth;
  readonly body: Body;
  /** Largest JSON body in bytes; 256 KiB unless given, and 16 KiB of whoever has no token. */
  readonly maxBody?: number;
  /** `strict`: floats and integers outside ±(2^53 - 1) in the body are 400 M_BAD_JSON. For bodies that become events. */
  readonly numbers?: 'any' | 'strict';
  /** Whether a locked account may call this. */
  readonly evenIfLocked?: boolean;
  /** Its answer may come minutes later: then the token has to be good still. */
  readonly waits?: boolean;
  /** Which rate limit it comes under; none without. Counted before the body is read. */
  readonly limit?: LimitedAction;
  /** Which listeners answer it; told by the path unless given. */
  readonly serves?: Interface;
  readonly handler: (request: ApiRequest<Auth, Body, Path>) => Reply | Promise<Reply>;
}

/**
 * Room enough for every JSON body of the API but a few (key uploads and backups say their own): an event has at most
 * 64 KiB, and twice that with every byte escaped.
 */
const defaultMaxBody = 256 * 1024;

/** For whoever has no token: names, passwords and the like. */
const strangersMaxBody = 16 * 1024;

/** Describes one operation. Its handler runs once token and body are found good; what it throws becomes the answer. */
export function endpoint<Auth extends AuthKind, Body extends BodyKind, Path extends string>(
  definition: EndpointDefinition<Auth, Body, Path>,
): Endpoint {
  return {
    method: definition.method,
    paths: [definition.path, ...(definition.alsoAt ?? [])],
    serves: definition.serves ?? interfaceOf(definition.path),
    auth: definition.auth,
    body: definition.body,
    limit: definition.limit,
    async run(call, target, gate) {
      if (definition.auth === 'server') return runForServer(definition, call, target, gate);
      const requester = authenticate(definition, call, target, gate);
      if (requester?.guest === true) checkGuest(definition.method, definition.path);
      if (definition.limit !== undefined) gate.admit?.(definition.limit, call.ip, requester);
      requireMeans(definition, target, gate);
      const answer = (parts: ClientParts): Reply | Promise<Reply> => {
        const request: unknown = new Incoming(definition.method, call, target, parts);
        return definition.handler(request as ApiRequest<Auth, Body, Path>);
      };
      if (definition.body === 'none') {
        const given = await answer({ requester, body: undefined });
        if (definition.waits === true) await stillGood(given, () => authenticate(definition, call, target, gate));
        return given;
      }
      if (definition.body === 'stream') return answer({ requester, body: undefined, streams: true });
      const share = shareFor(call, gate, requester);
      try {
        const limit = definition.maxBody ?? (requester === undefined ? strangersMaxBody : defaultMaxBody);
        const body = await readJson(definition, call, limit, share);
        // A client may draw a body out for as long as it likes: its token may be good no more.
        return await answer({ requester: requester && authenticate(definition, call, target, gate), body });
      } finally {
        share?.release();
      }
    },
  };
}

interface ClientParts {
  readonly requester: unknown;
  readonly body: JsonObject | undefined;
  readonly streams?: boolean;
}

/** Throws what `check` throws, and then nothing of the answer is left behind. */
async function stillGood({ body }: Reply, check: () => unknown): Promise<void> {
  try {
    check();
  } catch (error) {
    if (typeof body === 'object' && Symbol.iterator in body) (body as Iterable<unknown>)[Symbol.iterator]().return?.();
    else if (typeof body === 'object' && Symbol.asyncIterator in body) await body[Symbol.asyncIterator]().return?.();
    throw error;
  }
}

/** Bodies of users that say that they are no larger than this are not counted. */
const uncounted = 16 * 1024;

function shareFor(call: HttpCall, { bodies }: Gate, requester: unknown): BodyShare | undefined {
  if (bodies === undefined) return undefined;
  const tooSlow = () => call.stream.destroy();
  if (requester === undefined) return bodies.strangers.share(call.ip, tooSlow);
  const declared = call.headers['content-length'];
  const isSmall =
    declared === undefined ? call.headers['transfer-encoding'] === undefined : Number(declared) <= uncounted;
  return isSmall ? undefined : bodies.users.share(call.ip, tooSlow);
}

/** Throws where there is too little disk or memory for it. */
function requireMeans({ method, path }: { method: string; path: string }, { query }: Target, gate: Gate): void {
  if (needsSpace(method, path)) gate.requireSpace?.();
  if (isHeavy(method, path, query)) gate.requireMemory?.();
  if (isTransaction(path)) gate.requireInbound?.();
}

type AnyDefinition = Pick<
  EndpointDefinition<AuthKind, BodyKind, string>,
  'auth' | 'body' | 'maxBody' | 'numbers' | 'evenIfLocked'
>;

/**
 * A request of another server: its signature covers the body, so that is read before the handler runs. The key is got
 * first, because that may take long and a body held meanwhile would be memory for nothing.
 */
async function runForServer<Auth extends AuthKind, Body extends BodyKind, Path extends string>(
  definition: EndpointDefinition<Auth, Body, Path>,
  call: HttpCall,
  target: Target,
  gate: Gate,
): Promise<Reply> {
  const { servers } = gate;
  if (servers === undefined) throw unrecognized();
  const stranger = () => gate.admit?.('federation', call.ip, undefined);
  const header = await servers.begin(call.headers.authorization, stranger);
  // Before the body: who is sent away brings it again, and till then it costs nothing.
  requireMeans(definition, target, gate);
  const share = servers.bodies.share(call.ip, () => call.stream.destroy());
  try {
    const bytes = await readBody(call, definition.maxBody ?? defaultMaxBody, (size) => share.grow(size));
    share.arrived();
    const content = bytes.length === 0 ? undefined : parseExactJson(bytes);
    if (bytes.length > 0 && content === undefined) throw notJson();
    const uri = call.url.slice(call.url.indexOf(target.path));
    const origin = servers.verify(header, { method: call.method, uri, content });
    if (definition.limit !== undefined) servers.admit(definition.limit, origin);
    const wantsJson = definition.body === 'json' || definition.body === 'optional-json';
    const value = content ?? (definition.body === 'optional-json' ? {} : undefined);
    if (wantsJson && !isJsonObject(value)) throw badJson('The request body must be a JSON object');
    const body = wantsJson ? (value as JsonObject) : undefined;
    const request: unknown = new Incoming(definition.method, call, target, { origin, body });
    return await definition.handler(request as ApiRequest<Auth, Body, Path>);
  } finally {
    share.release();
  }
}

function authenticate(definition: AnyDefinition, call: HttpCall, target: Target, gate: Gate) {
  if (definition.auth === 'none') return undefined;
  const token = accessToken(call, target);
  if (token === undefined) {
    if (definition.auth === 'optional') return undefined;
    throw missingToken();
  }
  const evenIfLocked = definition.evenIfLocked ?? false;
  return gate.authenticate(token, { ip: call.ip, agent: call.headers['user-agent'], evenIfLocked });
}

/** From the header; else from the query, where clients of before version 1.11 of the specification put it. */
function accessToken(call: HttpCall, target: Target): string | undefined {
  const header = call.headers.authorization;
  if (header !== undefined) {
    const match = /^bearer +(\S+) *$/i.exec(header);
    if (match) return match[1];
  }
  const token = target.query.get('access_token');
  return token === '' ? undefined : token;
}

async function readJson(
  definition: AnyDefinition,
  call: HttpCall,
  limit: number,
  share: BodyShare | undefined,
): Promise<JsonObject> {
  const bytes = await readBody(call, limit, share && ((size) => share.grow(size)));
  share?.arrived();
  if (bytes.length === 0 && definition.body === 'optional-json') return {};
  const text = decodeUtf8(bytes);
  if (text === undefined) throw notJson('The request body is not UTF-8');
  const value = parseJson(text);
  if (!isJsonObject(value)) throw badJson('The request body must be a JSON object');
  if (definition.numbers === 'strict' && !checkStrictNumbers(text)) {
    throw badJson('Numbers must be integers between -(2^53 - 1) and 2^53 - 1');
  }
  return value;
}

function interfaceOf(path: string): Interface {
  if (path.startsWith('/_matrix/client/') || path.startsWith('/_matrix/media/')) return 'client';
  if (path.startsWith('/_matrix/') || path === '/.well-known/matrix/server') return 'federation';
  return path.startsWith('/.well-known/') ? 'client' : 'admin';
}

class Incoming {
  readonly method: Method;
  readonly requester: unknown;
  readonly origin: ServerName | undefined;
  readonly body: JsonObject | undefined;
  readonly #call: HttpCall;
  readonly #target: Target;
  readonly #streams: boolean;

  constructor(
    method: Method,
    call: HttpCall,
    target: Target,
    parts: { requester?: unknown; origin?: ServerName; body: JsonObject | undefined; streams?: boolean },
  ) {
    this.method = method;
    this.#call = call;
    this.#target = target;
    this.requester = parts.requester;
    this.origin = parts.origin;
    this.body = parts.body;
    this.#streams = parts.streams ?? false;
  }

  get path() {
    return this.#target.path;
  }
  get params() {
    return this.#target.params;
  }
  get query() {
    return this.#target.query;
  }
  get headers() {
    return this.#call.headers;
  }
  get stream() {
    return this.#streams ? this.#call.stream : undefined;
  }
  get ip() {
    return this.#call.ip;
  }
  get signal() {
    return this.#call.signal;
  }
}
