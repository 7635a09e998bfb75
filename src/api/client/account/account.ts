import * as v from 'valibot';
import { forbidden } from '../../../protocol/errors.ts';
import { identityServer } from '../../../users/identity/identity-servers.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { confirmByPassword, confirmByPasswordOrMail } from './uia.ts';

/**
 * `GET /_matrix/client/v3/account/whoami`
 * Whose token this is. 200 `{ user_id, device_id, is_guest }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3accountwhoami
 */
const whoami = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/account/whoami',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester }) =>
      json({ user_id: requester.userId, device_id: requester.deviceId, is_guest: requester.guest }),
  });

const passwordBody = v.looseObject({
  new_password: v.string(),
  logout_devices: v.optional(v.boolean(), true),
});

/**
 * `POST /_matrix/client/v3/account/password`
 * Changes the password; all other sessions end unless `logout_devices` is false.
 * 200 `{}` · 400 M_WEAK_PASSWORD, M_MISSING_PARAM · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword
 */
const password = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/password',
    auth: 'optional',
    body: 'json',
    limit: 'other',
    async handler(request) {
      const { accounts, passwords, uia } = services;
      const body = parse(passwordBody, request.body);
      passwords.checkStrength(body.new_password);
      const passed = await confirmByPasswordOrMail(services, 'POST account/password', request);
      if (passed.user === undefined) throw forbidden('It is not known whose password this is');
      await accounts.changePassword(passed.user, body.new_password, {
        logOut: body.logout_devices,
        except: request.requester?.device,
        also: () => uia.finish(passed),
      });
      return empty();
    },
  });

const deactivateBody = v.looseObject({ erase: v.optional(v.boolean(), false), id_server: v.nullish(v.string()) });

/**
 * `POST /_matrix/client/v3/account/deactivate`
 * Closes the account for good: sessions end, rooms are left; the user name is never given to somebody else.
 * Identity servers are told to forget whose addresses were.
 * 200 `{ id_server_unbind_result }` · 400 M_INVALID_PARAM · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate
 */
const deactivate = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/deactivate',
    auth: 'optional',
    body: 'optional-json',
    limit: 'other',
    async handler(request) {
      const { accounts, bindings, deactivation, uia } = services;
      const { erase, id_server: named } = parse(deactivateBody, request.body);
      const server = typeof named === 'string' ? identityServer(named) : undefined;
      const passed = await confirmByPassword(services, 'POST account/deactivate', request);
      if (passed.user === undefined) throw forbidden('It is not known whose account this is');
      const bound = { user: passed.user, userId: accounts.userId(passed.user) };
      await deactivation.deactivate(passed.user, erase, () => uia.finish(passed));
      return json({ id_server_unbind_result: await bindings.unbindAll(bound, server) });
    },
  });

export const accountEndpoints = (services: AccountServices): Endpoint[] => [
  whoami(),
  password(services),
  deactivate(services),
];
