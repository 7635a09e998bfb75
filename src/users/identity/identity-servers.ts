import { type OutboundHttp, usualTimeout } from '../../outbound/outbound-http.ts';
import type { OutboundRequest } from '../../outbound/types.ts';
import { encodeBase64Url } from '../../protocol/base64.ts';
import { forbidden, invalidParam, MatrixError } from '../../protocol/errors.ts';
import type { EventSigner } from '../../protocol/events/build.ts';
import { parseServerName } from '../../protocol/ids/server-name.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import { parseUserId } from '../../protocol/ids/user-id.ts';
import { signRequest } from '../../protocol/signing/request.ts';
import { sha256 } from '../../util/hash.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';

/** Which identity server a client wants asked, and its leave to ask there in its name. */
export interface IdentityAccess {
  readonly server: ServerName;
  readonly token: string;
}

/** An email address or telephone number in the form in which it is compared. */
export interface ThirdPartyAddress {
  readonly medium: 'email' | 'msisdn';
  readonly address: string;
}

/** What an identity server gives for an invite that it keeps. */
export interface StoredInvite {
  readonly token: string;
  readonly displayName: string;
  readonly publicKeys: readonly PublishedKey[];
}

export interface PublishedKey {
  readonly publicKey: string;
  /** Where it can be asked whether the key is still valid. */
  readonly validityUrl: string | undefined;
}

/** One mapping, a token and two keys: a few hundred bytes. */
const maxAnswer = 64 * 1024;
/** They name two; each is a signature to try later. */
const maxKeys = 10;
/** Of an address, of a name, of a URL: what fits several times into an event. */
const maxLength = 2048;
const tokenForm = /^[0-9a-zA-Z.=_-]{1,255}$/;

/**
 * Asks identity servers on behalf of users. Which one is for the user to say; that it is no host of the local network is
 * for `OutboundHttp` to see to.
 * @see https://spec.matrix.org/v1.19/identity-service-api/
 */
export class IdentityServers {
  readonly #http: OutboundHttp;
  readonly #signer: EventSigner;

  constructor(uses: { readonly http: OutboundHttp; readonly signer: EventSigner }) {
    this.#http = uses.http;
    this.#signer = uses.signer;
  }

  /**
   * Whose the address is, if anybody has said so. The address itself is not told, only its hash.
   * 400 M_SERVER_NOT_TRUSTED, M_INVALID_PARAM · 403 M_FORBIDDEN, M_TERMS_NOT_SIGNED · 502, 504 M_UNKNOWN
   * @see https://spec.matrix.org/v1.19/identity-service-api/#association-lookup
   */
  async lookup(access: IdentityAccess, wanted: ThirdPartyAddress): Promise<UserId | undefined> {
    let answer = await this.#askFor(access, wanted);
    // The pepper may change between the two requests; once is chance.
    if (errcodeOf(answer) === 'M_INVALID_PEPPER') answer = await this.#askFor(access, wanted);
    const mappings = contentOf(answer, access.server)['mappings'];
    const user = isJsonObject(mappings) && Object.hasOwn(mappings, answer.asked) ? mappings[answer.asked] : undefined;
    if (user === undefined) return undefined;
    const parsed = typeof user === 'string' ? parseUserId(user) : undefined;
    if (parsed === undefined) throw senseless(access.server);
    return parsed;
  }

  /**
   * Has an invite kept until somebody shows that the address is theirs, and the address told of it. `about`: the room and
   * who invites. Errors as above.
   * @see https://spec.matrix.org/v1.19/identity-service-api/#post_matrixidentityv2store-invite
   */
  async storeInvite(access: IdentityAccess, { medium, address }: ThirdPartyAddress, about: JsonObject) {
    const answer = await this.#call(access, 'POST', 'store-invite', { ...about, medium, address });
    const invite = storedInvite(contentOf(answer, access.server));
    if (invite === undefined) throw senseless(access.server);
    return invite;
  }

  /**
   * Tells everybody who asks there whose an address is: it has been shown to the identity server by what `sid` stands for.
   * Answers the address. Errors as above, and 400 M_SESSION_NOT_VALIDATED, M_SESSION_EXPIRED · 404 M_NO_VALID_SESSION
   * @see https://spec.matrix.org/v1.19/identity-service-api/#post_matrixidentityv23pidbind
   */
  async bind(access: IdentityAccess, proof: { readonly sid: string; readonly clientSecret: string }, mxid: UserId) {
    const body = { sid: proof.sid, client_secret: proof.clientSecret, mxid };
    const { medium, address } = contentOf(await this.#call(access, 'POST', '3pid/bind', body), access.server);
    if (typeof medium !== 'string' || typeof address !== 'string') throw senseless(access.server);
    return thirdPartyAddress(medium, address);
  }

  /**
   * Takes that back, in the name of the user's server. False where the identity server does not do it.
   * @see https://spec.matrix.org/v1.19/identity-service-api/#post_matrixidentityv23pidunbind
   */
  async unbind(server: ServerName, address: ThirdPartyAddress, mxid: UserId): Promise<boolean> {
    const { serverName: origin, key } = this.#signer;
    const uri = '/_matrix/identity/v2/3pid/unbind';
    const content = { mxid, threepid: { medium: address.medium, address: address.address } };
    const signature = signRequest({ method: 'POST', uri, origin, destination: server, content }, key);
    const result = await this.#http.request({
      method: 'POST',
      url: `https://${server}${uri}`,
      headers: { Authorization: signature, 'Content-Type': 'application/json' },
      body: JSON.stringify(content),
      timeout: usualTimeout,
      maxBytes: maxAnswer,
      plainHttp: 'nowhere',
    });
    return result.ok && result.status >= 200 && result.status <= 299;
  }

  /**
   * Whether a key is still what invites are signed with. 502, 504 M_UNKNOWN nobody says
   * @see https://spec.matrix.org/v1.19/identity-service-api/#get_matrixidentityv2pubkeyisvalid
   */
  async isKeyValid({ publicKey, validityUrl }: PublishedKey): Promise<boolean> {
    // Valid indefinitely.
    if (validityUrl === undefined) return true;
    if (!URL.canParse(validityUrl)) return false;
    const url = new URL(validityUrl);
    url.searchParams.set('public_key', publicKey);
    const answer = await this.#ask({ method: 'GET', url: url.href }, url.host);
    if (answer.status !== 200 || typeof answer.value?.['valid'] !== 'boolean') throw senseless(url.host);
    return answer.value['valid'];
  }

  async #askFor(access: IdentityAccess, { medium, address }: ThirdPartyAddress): Promise<Asked> {
    const details = contentOf(await this.#call(access, 'GET', 'hash_details'), access.server);
    const { lookup_pepper: pepper, algorithms } = details;
    if (typeof pepper !== 'string' || pepper.length > maxLength) throw senseless(access.server);
    if (!Array.isArray(algorithms) || !algorithms.includes('sha256')) throw senseless(access.server);
    const asked = encodeBase64Url(sha256(`${address} ${medium} ${pepper}`));
    const question = { algorithm: 'sha256', pepper, addresses: [asked] };
    return { ...(await this.#call(access, 'POST', 'lookup', question)), asked };
  }

  #call({ server, token }: IdentityAccess, method: 'GET' | 'POST', what: string, body?: JsonObject): Promise<Answer> {
    return this.#ask(
      {
        method,
        url: `https://${server}/_matrix/identity/v2/${what}`,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
      server,
    );
  }

  async #ask(request: Pick<OutboundRequest, 'method' | 'url' | 'headers' | 'body'>, name: string): Promise<Answer> {
    const result = await this.#http.request({
      ...request,
      timeout: usualTimeout,
      maxBytes: maxAnswer,
      plainHttp: 'nowhere',
    });
    if (result.ok) return { status: result.status, value: objectIn(result.body) };
    const cause = `${result.reason}: ${result.detail}`;
    if (result.reason === 'denied' || result.reason === 'url') {
      throw new MatrixError(400, 'M_SERVER_NOT_TRUSTED', `This server does not ask ${name}`, { cause });
    }
    const status = result.reason === 'timeout' ? 504 : 502;
    throw new MatrixError(status, 'M_UNKNOWN', `The identity server ${name} does not answer`, { cause });
  }
}

interface Answer {
  readonly status: number;
  /** `undefined`: no JSON object. */
  readonly value: JsonObject | undefined;
}

interface Asked extends Answer {
  /** The address as it was asked for. */
  readonly asked: string;
}

/**
 * What a client says of the identity server to ask: its name, with or without a port.
 * 400 M_INVALID_PARAM
 */
export function identityAccess(server: string, token: string): IdentityAccess {
  const name = identityServer(server);
  // It becomes a header.
  if (!/^[\x21-\x7e]{1,2048}$/.test(token)) throw invalidParam('id_access_token has characters that no token has');
  return { server: name, token };
}

/** 400 M_INVALID_PARAM */
export function identityServer(text: string): ServerName {
  const name = parseServerName(text);
  if (name === undefined) throw invalidParam('id_server is not the name of a server');
  return name;
}

/**
 * The form in which an address is compared. 400 M_INVALID_PARAM for what is none
 * @see https://spec.matrix.org/v1.19/appendices/#3pid-types
 */
export function thirdPartyAddress(medium: string, address: string): ThirdPartyAddress {
  if (medium === 'email' && /^[^\s@]{1,64}@[^\s@]{1,255}$/.test(address)) {
    return { medium, address: address.normalize('NFC').toLowerCase() };
  }
  if (medium === 'msisdn' && /^\d{1,20}$/.test(address)) return { medium, address };
  if (medium === 'email' || medium === 'msisdn') throw invalidParam(`address is no ${medium}`);
  throw invalidParam('medium must be email or msisdn');
}

/** What a client can do something about. */
const passedOn = ['M_SESSION_NOT_VALIDATED', 'M_SESSION_EXPIRED', 'M_NO_VALID_SESSION'] as const;

function objectIn(body: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function errcodeOf({ status, value }: Answer): string | undefined {
  const errcode = status >= 400 ? value?.['errcode'] : undefined;
  return typeof errcode === 'string' ? errcode : undefined;
}

/** Of an answer that grants what was asked. A 401 of theirs must not end the client's session here. */
function contentOf(answer: Answer, name: string): JsonObject {
  const { status, value } = answer;
  if (status >= 200 && status <= 299 && value !== undefined) return value;
  const errcode = errcodeOf(answer);
  const cause = `${name} answered ${status} ${errcode ?? ''}`;
  const passed = passedOn.find((code) => code === errcode);
  if (passed !== undefined) {
    throw new MatrixError(status, passed, `The identity server ${name} knows of no such proof`, { cause });
  }
  if (errcode === 'M_TERMS_NOT_SIGNED') {
    throw new MatrixError(403, errcode, `The terms of the identity server ${name} are not accepted`, { cause });
  }
  if (status === 401 || status === 403) throw forbidden(`The identity server ${name} refuses`, { cause });
  throw new MatrixError(502, 'M_UNKNOWN', `The identity server ${name} has no answer`, { cause });
}

const senseless = (name: string) => new MatrixError(502, 'M_UNKNOWN', `The identity server ${name} makes no sense`);

function storedInvite({ token, display_name: name, public_keys: keys }: JsonObject): StoredInvite | undefined {
  if (typeof token !== 'string' || !tokenForm.test(token)) return undefined;
  if (typeof name !== 'string' || name.length > maxLength || !Array.isArray(keys)) return undefined;
  const publicKeys = keys.slice(0, maxKeys).flatMap((entry): PublishedKey[] => {
    const { public_key: publicKey, key_validity_url: url } = isJsonObject(entry) ? entry : {};
    if (typeof publicKey !== 'string' || publicKey.length > 100) return [];
    return [{ publicKey, validityUrl: typeof url === 'string' && url.length <= maxLength ? url : undefined }];
  });
  return publicKeys.length === 0 ? undefined : { token, displayName: name, publicKeys };
}
