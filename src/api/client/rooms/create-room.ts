import { array, boolean, nullish, object, optional, picklist, string } from 'valibot';
import { invalidParam } from '../../../protocol/errors.ts';
import type { UserId } from '../../../protocol/ids/types.ts';
import { parseUserId } from '../../../protocol/ids/user-id.ts';
import type { CreateRoomOptions } from '../../../rooms/create/options.ts';
import { identityAccess, thirdPartyAddress } from '../../../users/identity/identity-servers.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { addressBody, jsonObject } from './schemas.ts';

/** Each takes two or three requests to an identity server, for which the client waits. */
const maxAddresses = 20;

const body = object({
  visibility: nullish(picklist(['public', 'private'])),
  preset: nullish(picklist(['private_chat', 'public_chat', 'trusted_private_chat'])),
  room_alias_name: nullish(string()),
  name: nullish(string()),
  topic: nullish(string()),
  invite: nullish(array(string())),
  invite_3pid: nullish(array(addressBody)),
  room_version: nullish(string()),
  creation_content: nullish(jsonObject),
  initial_state: nullish(array(object({ type: string(), state_key: optional(string()), content: jsonObject }))),
  is_direct: nullish(boolean()),
  power_level_content_override: nullish(jsonObject),
});

/**
 * `POST /_matrix/client/v3/createRoom`
 * Makes a room with all its first events, or nothing.
 * 200 `{ room_id }` · 400 M_BAD_JSON, M_INVALID_PARAM, M_ROOM_IN_USE, M_INVALID_ROOM_STATE, M_UNSUPPORTED_ROOM_VERSION
 * · 403 M_FORBIDDEN, M_INVITE_BLOCKED
 * · 404 M_NOT_FOUND an invited user does not exist · 413 M_TOO_LARGE · 429 M_LIMIT_EXCEEDED, also for its invites
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
 */
export const createRoom = ({ rooms, admitMany }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/createRoom',
    auth: 'user',
    body: 'json',
    limit: 'rooms',
    numbers: 'strict',
    async handler({ requester, body: given, ip }) {
      const options = optionsOf(given, rooms.creation.defaultVersion);
      admitMany('invites', options.invite.length + (options.inviteAddresses?.length ?? 0), ip, requester);
      return json({ room_id: await rooms.creation.createRoom(requester, options) });
    },
  });

function optionsOf(given: JsonObject, defaultVersion: string): CreateRoomOptions {
  const room = parse(body, given);
  const addresses = room.invite_3pid ?? [];
  if (addresses.length > maxAddresses) throw invalidParam(`invite_3pid may hold ${maxAddresses} addresses at most`);
  return {
    visibility: room.visibility ?? 'private',
    ...(room.preset ? { preset: room.preset } : {}),
    ...(typeof room.room_alias_name === 'string' ? { aliasName: room.room_alias_name } : {}),
    ...(typeof room.name === 'string' ? { name: room.name } : {}),
    ...(typeof room.topic === 'string' ? { topic: room.topic } : {}),
    invite: (room.invite ?? []).map(userId),
    inviteAddresses: addresses.map(({ id_server: server, id_access_token: token, medium, address }) => ({
      access: identityAccess(server, token),
      address: thirdPartyAddress(medium, address),
    })),
    isDirect: room.is_direct ?? false,
    version: room.room_version ?? defaultVersion,
    creationContent: room.creation_content ?? {},
    initialState: (room.initial_state ?? []).map(({ type, state_key, content }) => ({
      type,
      stateKey: state_key ?? '',
      content,
    })),
    powerLevelOverride: room.power_level_content_override ?? {},
  };
}

function userId(text: string): UserId {
  const user = parseUserId(text);
  if (user === undefined) throw invalidParam('invite holds something that is not a user ID');
  return user;
}
