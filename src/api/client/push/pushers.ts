import * as v from 'valibot';
import { invalidParam, missingParam } from '../../../protocol/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/pushers`
 * The user's pushers, those of other devices too.
 * 200 `{ pushers }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushers
 */
const list = ({ pushers, devices }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/pushers',
    auth: 'user',
    body: 'none',
    handler({ requester }) {
      const names = new Map(devices.list(requester.user).map(({ nid, deviceId }) => [nid, deviceId]));
      const answer = pushers.list(requester.user).map((pusher) => ({
        kind: pusher.kind,
        app_id: pusher.appId,
        pushkey: pusher.pushkey,
        app_display_name: pusher.appDisplayName,
        device_display_name: pusher.deviceDisplayName,
        ...(pusher.profileTag === null ? {} : { profile_tag: pusher.profileTag }),
        lang: pusher.lang,
        data: JSON.parse(pusher.data) as JsonObject,
        'org.matrix.msc3881.enabled': pusher.enabled,
        'org.matrix.msc3881.device_id': names.get(pusher.device) ?? null,
      }));
      return json({ pushers: answer });
    },
  });

const keySchema = v.looseObject({
  kind: v.nullable(v.string()),
  app_id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  pushkey: v.pipe(v.string(), v.minLength(1), v.maxBytes(512)),
});

const name = v.pipe(v.string(), v.maxLength(512));

const pusherSchema = v.looseObject({
  app_display_name: name,
  device_display_name: name,
  profile_tag: v.nullish(name),
  lang: v.pipe(v.string(), v.maxLength(64)),
  data: v.looseObject({ url: v.optional(v.string()), format: v.optional(v.string()) }),
  append: v.optional(v.boolean(), false),
  'org.matrix.msc3881.enabled': v.optional(v.boolean(), true),
});

/**
 * `POST /_matrix/client/v3/pushers/set`
 * Makes or changes the user's pusher with this `pushkey` and `app_id`; `kind` null deletes it. Unless `append` is true,
 * pushers of other users with the same key and app are deleted: the app has changed hands.
 * 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON, M_THREEPID_NOT_FOUND not an address of the account · 400 M_INVALID_PARAM kind, URL, lengths · 413 M_TOO_LARGE data
 * · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3pushersset
 */
const set = ({ pushers }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/pushers/set',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, body }) {
      const { kind, app_id: appId, pushkey } = parse(keySchema, body);
      if (kind === null) {
        await pushers.delete(requester.user, appId, pushkey);
        return empty();
      }
      if (kind !== 'http' && kind !== 'email') throw invalidParam('kind must be "http", "email" or null');
      const pusher = parse(pusherSchema, body);
      if (kind === 'http' && pusher.data.url === undefined) throw missingParam('Missing data.url');
      await pushers.set(requester, {
        kind,
        appId,
        pushkey,
        appDisplayName: pusher.app_display_name,
        deviceDisplayName: pusher.device_display_name,
        profileTag: pusher.profile_tag ?? null,
        lang: pusher.lang,
        data: objectOf(body['data']),
        enabled: pusher['org.matrix.msc3881.enabled'],
        append: pusher.append,
      });
      return empty();
    },
  });

/** As it was sent: custom keys go on to the gateway. */
function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

export const pusherEndpoints = (services: Services): Endpoint[] => [list(services), set(services)];
