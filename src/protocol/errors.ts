import type { JsonObject } from '../util/json.ts';

/**
 * Error codes this server answers with.
 * @see https://spec.matrix.org/v1.19/client-server-api/#standard-error-response
 */
export type ErrorCode =
  | 'M_APPSERVICE_LOGIN_UNSUPPORTED'
  | 'M_BAD_ALIAS'
  | 'M_BAD_JSON'
  | 'M_BAD_STATE'
  | 'M_BAD_STATUS'
  | 'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM'
  | 'M_CANNOT_OVERWRITE_MEDIA'
  | 'M_CAPTCHA_INVALID'
  | 'M_CAPTCHA_NEEDED'
  | 'M_CONCURRENT_WRITE'
  | 'M_CONNECTION_FAILED'
  | 'M_CONNECTION_TIMEOUT'
  | 'M_DESTINATION_REJECTED'
  | 'M_DUPLICATE_ANNOTATION'
  | 'M_EMAIL_SEND_ERROR'
  | 'M_EXCLUSIVE'
  | 'M_FORBIDDEN'
  | 'M_GUEST_ACCESS_FORBIDDEN'
  | 'M_INCOMPATIBLE_ROOM_VERSION'
  | 'M_INVALID_ADDRESS'
  | 'M_INVALID_EMAIL'
  | 'M_INVALID_PARAM'
  | 'M_INVALID_PEPPER'
  | 'M_INVALID_ROOM_STATE'
  | 'M_INVALID_SIGNATURE'
  | 'M_INVALID_USERNAME'
  | 'M_INVITE_BLOCKED'
  | 'M_KEY_TOO_LARGE'
  | 'M_LIMIT_EXCEEDED'
  | 'M_MISSING_PARAM'
  | 'M_MISSING_PARAMS'
  | 'M_MISSING_TOKEN'
  | 'M_NOT_FOUND'
  | 'M_NOT_JSON'
  | 'M_NOT_YET_UPLOADED'
  | 'M_NO_VALID_SESSION'
  | 'M_PROFILE_TOO_LARGE'
  | 'M_RESOURCE_LIMIT_EXCEEDED'
  | 'M_ROOM_IN_USE'
  | 'M_SEND_ERROR'
  | 'M_SERVER_NOT_TRUSTED'
  | 'M_SESSION_EXPIRED'
  | 'M_SESSION_NOT_VALIDATED'
  | 'M_TERMS_NOT_SIGNED'
  | 'M_THREEPID_AUTH_FAILED'
  | 'M_THREEPID_DENIED'
  | 'M_THREEPID_IN_USE'
  | 'M_THREEPID_MEDIUM_NOT_SUPPORTED'
  | 'M_THREEPID_NOT_FOUND'
  | 'M_TOKEN_INCORRECT'
  | 'M_TOO_LARGE'
  | 'M_UNABLE_TO_AUTHORISE_JOIN'
  | 'M_UNABLE_TO_GRANT_JOIN'
  | 'M_UNAUTHORIZED'
  | 'M_UNKNOWN'
  | 'M_UNKNOWN_DEVICE'
  | 'M_UNKNOWN_POS'
  | 'M_UNKNOWN_TOKEN'
  | 'M_UNRECOGNIZED'
  | 'M_UNSUPPORTED_ROOM_VERSION'
  | 'M_URL_NOT_SET'
  | 'M_USER_DEACTIVATED'
  | 'M_USER_IN_USE'
  | 'M_USER_LIMIT_EXCEEDED'
  | 'M_USER_LOCKED'
  | 'M_USER_SUSPENDED'
  | 'M_WEAK_PASSWORD'
  | 'M_WRONG_ROOM_KEYS_VERSION'
  | 'IO_ELEMENT_MSC4388_CONCURRENT_WRITE'
  | 'IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION'
  | 'IO.ELEMENT.MSC4306.M_NOT_IN_THREAD'
  | 'ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE';

export interface MatrixErrorOptions {
  /** What really happened: for the log, never for the client. */
  readonly cause?: unknown;
  /** Further keys of the response body. */
  readonly fields?: Readonly<JsonObject>;
  /** Further response headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A request that fails in a way the client may know. `message` is safe to show to anybody;
 * the other half, `cause`, goes to the log only.
 */
export class MatrixError extends Error {
  readonly status: number;
  readonly errcode: ErrorCode;
  readonly fields: Readonly<JsonObject>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, errcode: ErrorCode, message: string, options: MatrixErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.status = status;
    this.errcode = errcode;
    this.fields = options.fields ?? {};
    this.headers = options.headers ?? {};
  }

  /** The response body: `errcode`, `error` and the further fields. */
  toJSON(): JsonObject {
    return { ...this.fields, errcode: this.errcode, error: this.message };
  }
}

/** 403: the caller is known but may not do this. */
export const forbidden = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(403, 'M_FORBIDDEN', message, options);

/** 404: no such thing, or the caller may not know of it. */
export const notFound = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(404, 'M_NOT_FOUND', message, options);

/** 400: JSON, but a key is absent or has a wrong type or value. */
export const badJson = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(400, 'M_BAD_JSON', message, options);

/** 400: not JSON at all. */
export const notJson = (message = 'The request body is not valid JSON', options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(400, 'M_NOT_JSON', message, options);

/** 400: a needed parameter is absent. */
export const missingParam = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(400, 'M_MISSING_PARAM', message, options);

/** 400: a parameter has a value that cannot be used. */
export const invalidParam = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(400, 'M_INVALID_PARAM', message, options);

/** 404 for an unknown endpoint; pass 405 for a known path with another method. */
export const unrecognized = (status: 404 | 405 = 404, message = 'Unrecognized request'): MatrixError =>
  new MatrixError(status, 'M_UNRECOGNIZED', message);

/** 413: the body, event or file is too big. */
export const tooLarge = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(413, 'M_TOO_LARGE', message, options);

/** 401: the token is unknown or expired. With `softLogout` the client keeps its keys and logs in again. */
export const unknownToken = (softLogout = false, message = 'Unknown or expired access token'): MatrixError =>
  new MatrixError(401, 'M_UNKNOWN_TOKEN', message, { fields: { soft_logout: softLogout } });

/** 401: no access token was given. */
export const missingToken = (message = 'Missing access token'): MatrixError =>
  new MatrixError(401, 'M_MISSING_TOKEN', message);

/** 401: a signature or credential is missing or wrong (federation, login). */
export const unauthorized = (message: string, options?: MatrixErrorOptions): MatrixError =>
  new MatrixError(401, 'M_UNAUTHORIZED', message, options);

/** 429: try again after `retryAfterMs` milliseconds; said in the header and, for older clients, in the body. */
export const limitExceeded = (retryAfterMs: number, message = 'Too many requests'): MatrixError => {
  const wait = Math.max(0, Math.ceil(retryAfterMs));
  return new MatrixError(429, 'M_LIMIT_EXCEEDED', message, {
    fields: { retry_after_ms: wait },
    headers: { 'Retry-After': String(Math.max(1, Math.ceil(wait / 1000))) },
  });
};

/** 503: the time is not known, so nothing can be signed or judged. */
export const clockWrong = (): MatrixError => {
  const seconds = 15;
  return new MatrixError(503, 'M_UNKNOWN', 'This server does not know the time yet: try again in a moment', {
    fields: { retry_after_ms: seconds * 1000 },
    headers: { 'Retry-After': String(seconds) },
  });
};

/** 403: a limit of the whole server or of a room is reached. `admin_contact` is required by the specification. */
export const resourceLimitExceeded = (message: string, adminContact: string, fields: JsonObject = {}): MatrixError =>
  new MatrixError(403, 'M_RESOURCE_LIMIT_EXCEEDED', message, { fields: { ...fields, admin_contact: adminContact } });

/** 403: what a suspended account may not do. */
export const userSuspended = (): MatrixError =>
  new MatrixError(403, 'M_USER_SUSPENDED', 'This account is suspended: it can read, but not write');

/** 400: this server does not know the room version. */
export const unsupportedRoomVersion = (version: string): MatrixError =>
  new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', `Room version ${JSON.stringify(version)} is not supported`);

/** 400 to another server: it does not know the version of the room it wants to join. */
export const incompatibleRoomVersion = (roomVersion: string): MatrixError =>
  new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', `This room has version ${JSON.stringify(roomVersion)}`, {
    fields: { room_version: roomVersion },
  });
