import { custom, nullish, object, string } from 'valibot';
import { badJson } from '../../../protocol/errors.ts';
import { RoomEventFilter } from '../../../protocol/filters/event-filter.ts';
import { tryParseJson } from '../../../protocol/parse-json.ts';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';
import type { Query } from '../../http/query.ts';

/** An object that is passed on as it is: valibot's own forms leave out keys such as `constructor`. */
export const jsonObject = custom<JsonObject>(isJsonObject);

/** The body of calls that take nothing but a reason. */
export const reasonBody = object({ reason: nullish(string()) });

/** The body of calls about another user. */
export const targetBody = object({ user_id: string(), reason: nullish(string()) });

/** Somebody of whom only an email address or telephone number is known, and who is to be asked about it. */
export const addressBody = object({
  id_server: string(),
  id_access_token: string(),
  medium: string(),
  address: string(),
});

/** `{ reason }`, empty if there is none. */
export function withReason(body: { readonly reason?: string | null | undefined }): { readonly reason?: string } {
  return typeof body.reason === 'string' ? { reason: body.reason } : {};
}

/** The `filter` parameter: a room event filter as JSON text. 400 M_BAD_JSON */
export function roomEventFilter(query: Query): RoomEventFilter {
  const text = query.get('filter');
  const json = text === undefined || text === '' ? {} : tryParseJson(text);
  if (!isJsonObject(json)) throw badJson('filter must be a JSON object');
  return new RoomEventFilter(json, 'filter.');
}

/** Servers that may be in the room, as the client names them. */
export function viaOf(query: Query): readonly string[] {
  const via = query.all('via');
  // Clients from before version 1.12 of the specification.
  return via.length > 0 ? via : query.all('server_name');
}
