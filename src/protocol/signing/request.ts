import { encodeBase64 } from '../base64.ts';
import { canonicalJson } from '../canonical-json.ts';
import { isKeyId } from '../ids/key-id.ts';
import { isServerName } from '../ids/server-name.ts';
import type { KeyId, ServerName } from '../ids/types.ts';
import type { SigningKey, VerifyKey } from './keys.ts';

/** A request between servers, as far as its signature covers it. */
export interface FederationRequest {
  readonly method: string;
  /** Path and query exactly as on the request line, from `/_matrix` on. */
  readonly uri: string;
  readonly origin: ServerName;
  readonly destination: ServerName;
  /**
   * The parsed body; left out if there is none. Read it with `parseExactJson` when checking a signature, because the
   * body may hold events of old room versions with unusual numbers.
   */
  readonly content?: unknown;
}

/** The parameters of an `Authorization: X-Matrix` header. Older servers leave out the destination. */
export interface XMatrix {
  readonly origin: ServerName;
  readonly destination: ServerName | undefined;
  readonly key: KeyId;
  readonly sig: string;
}

/**
 * The canonical text that the signature of a request covers.
 * @see https://spec.matrix.org/v1.19/server-server-api/#request-authentication
 */
export function requestText(request: FederationRequest): string {
  const { content, destination, method, origin, uri } = request;
  return canonicalJson({ content, destination, method, origin, uri }, 'lenient');
}

/** The value of the `Authorization` header of a request of ours. Throws `CanonicalJsonError`. */
export function signRequest(request: FederationRequest, key: SigningKey): string {
  return header(request, encodeBase64(key.sign(requestText(request))), key);
}

/** The same with the body as canonical JSON, which is not read. */
export function signRequestText(
  request: Omit<FederationRequest, 'content'>,
  body: string | undefined,
  key: SigningKey,
): string {
  const { origin, destination, method, uri } = request;
  // `content` is the first of the keys.
  const rest = canonicalJson({ destination, method, origin, uri });
  const text = body === undefined ? rest : `{"content":${body},${rest.slice(1)}`;
  return header(request, encodeBase64(key.sign(text)), key);
}

function header(
  { origin, destination }: Omit<FederationRequest, 'content'>,
  signature: string,
  key: SigningKey,
): string {
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key.keyId}",sig="${signature}"`;
}

/** Whether the signature in the header is that of the request. */
export function verifyRequest(request: FederationRequest, header: XMatrix, key: VerifyKey): boolean {
  let text: string;
  try {
    text = requestText(request);
  } catch {
    return false;
  }
  return key.verifyBase64(text, header.sig);
}

// One parameter: a token (RFC 9110, colons allowed for older servers) or a quoted string with escapes.
const parameter =
  /[ \t]*([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w:/=-]+))[ \t]*(?:,|$)/y;

/** A header of this length is none that a server sends; what is longer is not looked at. */
const maxHeaderLength = 4096;

/**
 * Takes an `Authorization` header apart; `undefined` if it is no well-formed X-Matrix header. Unknown parameters are
 * ignored, of repeated ones the last counts.
 */
export function parseXMatrix(header: string): XMatrix | undefined {
  const scheme = /^X-Matrix +/i.exec(header);
  if (scheme === null || header.length > maxHeaderLength) return undefined;
  const found = new Map<string, string>();
  parameter.lastIndex = scheme[0].length;
  while (parameter.lastIndex < header.length) {
    const match = parameter.exec(header);
    if (match === null) return undefined;
    const [, name = '', quoted, token] = match;
    found.set(name.toLowerCase(), quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/g, '$1'));
  }
  const origin = found.get('origin');
  const destination = found.get('destination');
  const key = found.get('key');
  const sig = found.get('sig');
  if (origin === undefined || !isServerName(origin) || sig === undefined) return undefined;
  if (key === undefined || !isKeyId(key)) return undefined;
  if (destination !== undefined && !isServerName(destination)) return undefined;
  return { origin, destination, key, sig };
}
