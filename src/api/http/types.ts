import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { MatrixError } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { XMatrix } from '../../protocol/signing/request.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject } from '../../util/json.ts';
import type { BodyBudget } from './body-budget.ts';
import type { Query } from './query.ts';
import type { LimitedAction } from './rate-limits.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/**
 * `user`: a valid access token is needed; `optional`: one is looked at if given; `none`: tokens are not looked at;
 * `server`: another server has signed the request.
 */
export type AuthKind = 'user' | 'optional' | 'none' | 'server';

/**
 * `json`: a JSON object is needed; `optional-json`: an empty body counts as `{}`; `stream`: the handler reads the body
 * itself; `none`: a body is ignored.
 */
export type BodyKind = 'json' | 'optional-json' | 'stream' | 'none';

/** What a listener may be told to answer: `listen.serves` of the configuration. */
export type Interface = 'client' | 'federation' | 'admin';

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;

/** The parameters in a path template: `/rooms/{roomId}` has `roomId`. */
export type PathParams<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParamNames<Path>]: string };

/** A request as a handler sees it: authenticated, with its body parsed and everything percent-decoded. */
export interface ApiRequest<
  Auth extends AuthKind = 'user',
  Body extends BodyKind = 'json',
  Path extends string = string,
> {
  readonly method: Method;
  /** The path as sent, without the query. */
  readonly path: string;
  readonly params: PathParams<Path>;
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  /** Of another server it is read with `parseExactJson`, because events in it have to keep their numbers. */
  readonly body: Body extends 'json' | 'optional-json' ? JsonObject : undefined;
  /** Only with `body: 'stream'`. */
  readonly stream: Body extends 'stream' ? Readable : undefined;
  readonly requester: Auth extends 'user' ? Requester : Auth extends 'optional' ? Requester | undefined : undefined;
  /** The server that has signed the request: its signature, whom it is meant for and our own policy are checked. */
  readonly origin: Auth extends 'server' ? ServerName : undefined;
  /** The client's address; `X-Forwarded-For` is believed from trusted proxies only. */
  readonly ip: string;
  /** Aborts when the client has gone or the server is about to stop. */
  readonly signal: AbortSignal;
}

export type Piece = string | Buffer;

/** Whole, or in pieces that are asked for no faster than the client takes them. */
export type ReplyBody = Piece | Iterable<Piece> | AsyncIterable<Piece>;

/** An answer. Made by `json` and `reply` only, which see to the headers that every answer needs. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ReplyBody;
}

/** What came in, before routing. The node:http adapter and the tests' `inject` make these. */
export interface HttpCall {
  readonly method: string;
  /** Path and query as in the request line. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly stream: Readable;
  readonly ip: string;
  /** Read only by those who need it: making a signal is not free. */
  readonly signal: AbortSignal;
}

/** One operation of the API, ready for the router. Made by `endpoint`. */
export interface Endpoint {
  readonly method: Method;
  /** Path templates; all but the first are other spellings of the same. */
  readonly paths: readonly string[];
  readonly serves: Interface;
  readonly auth: AuthKind;
  readonly body: BodyKind;
  /** Which rate limit it comes under. */
  readonly limit: LimitedAction | undefined;
  run(call: HttpCall, target: Target, gate: Gate): Promise<Reply>;
}

/** Where a request goes: its path, its decoded parameters, and what stood behind the question mark. */
export interface Target {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
}

/** Tells who holds an access token. Throws M_UNKNOWN_TOKEN, M_USER_LOCKED and the like. */
export interface Gate {
  authenticate(token: string, sighting: Sighting): Requester;
  /** Counts one action of somebody, a stranger if `requester` is not given. 429 M_LIMIT_EXCEEDED. Without it nothing is limited. */
  admit?(action: LimitedAction, ip: string, requester: Requester | undefined): void;
  /** Asked before anything is written for somebody. 507 M_RESOURCE_LIMIT_EXCEEDED */
  requireSpace?(): void;
  /** Asked before something large is answered. 429 M_LIMIT_EXCEEDED */
  requireMemory?(): void;
  /** What JSON bodies of clients may take up while they are held. Without it nothing is bounded but each of them. */
  readonly bodies?: { readonly users: BodyBudget; readonly strangers: BodyBudget };
  /** Asked before what another server sends is even read. 429 M_LIMIT_EXCEEDED */
  requireInbound?(): void;
  /** What is answered where the disk was full when something was to be written. 507 M_RESOURCE_LIMIT_EXCEEDED */
  diskIsFull?(): MatrixError;
  /** Without it no request of another server is let in. */
  readonly servers?: ServerGate;
}

/** Tells which other server has sent a request. */
export interface ServerGate {
  /** Their bodies are held before it is known who has sent them: the signature covers them. */
  readonly bodies: BodyBudget;
  /**
   * Reads the `Authorization` header and gets the key that it names. `admit` is called before another server is asked
   * for it. Throws 401 M_UNAUTHORIZED, and 403 M_FORBIDDEN for a server that the admin does not want.
   */
  begin(header: string | undefined, admit: () => void): Promise<XMatrix>;
  /** Checks the signature. 401 M_UNAUTHORIZED. */
  verify(
    header: XMatrix,
    request: { readonly method: string; readonly uri: string; readonly content?: unknown },
  ): ServerName;
  /** Counts one action of another server. 429 M_LIMIT_EXCEEDED. */
  admit(action: LimitedAction, origin: ServerName): void;
}

/** Where and by what a token is being used. */
export interface Sighting {
  readonly ip: string;
  readonly agent: string | undefined;
  /** Whether a locked account may do this all the same: it may always log out. */
  readonly evenIfLocked: boolean;
}
