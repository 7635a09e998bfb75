import { fitsBytes } from './byte-length.ts';
import { isServerName } from './server-name.ts';
import type { ServerName } from './types.ts';

/** A piece of media: the server that holds it and its name there. */
export interface MxcUri {
  readonly server: ServerName;
  readonly mediaId: string;
}

const mediaIdLetters = /^[A-Za-z0-9_-]+$/;
const scheme = 'mxc://';

/** Whether `text` may name media: letters, digits, `_` and `-` only, so that it can never be a path. */
export function isMediaId(text: string): boolean {
  return mediaIdLetters.test(text) && fitsBytes(text);
}

/**
 * Takes `mxc://server/mediaId` apart; `undefined` if it is not of that form.
 * @see https://spec.matrix.org/v1.19/client-server-api/#matrix-content-mxc-uris
 */
export function parseMxcUri(text: string): MxcUri | undefined {
  if (!text.startsWith(scheme)) return undefined;
  const slash = text.indexOf('/', scheme.length);
  if (slash === -1) return undefined;
  const server = text.slice(scheme.length, slash);
  const mediaId = text.slice(slash + 1);
  return isServerName(server) && isMediaId(mediaId) ? { server, mediaId } : undefined;
}

export function formatMxcUri(uri: MxcUri): string {
  return `${scheme}${uri.server}/${uri.mediaId}`;
}
