import { notFound } from '../../protocol/errors.ts';
import type { JsonObject } from '../../util/json.ts';
import { clientDiscovery } from '../client/account/discovery.ts';
import { endpoint } from '../http/endpoint.ts';
import { json } from '../http/reply.ts';
import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';

type Uses = Pick<Services, 'wellKnown' | 'server' | 'federation'>;

/** What stands under `/.well-known/matrix`, unless the admin has another program answer there. */
export function wellKnownEndpoints(services: Uses): Endpoint[] {
  if (!services.wellKnown.serve) return [];
  const always = [wellKnownClient(services), wellKnownSupport(services), wellKnownPolicyServer(services)];
  return services.federation.enabled ? [...always, wellKnownServer(services)] : always;
}

/**
 * `GET /.well-known/matrix/server`
 * Tells other servers where this one is, if that is not where its name leads.
 * 200 `{ "m.server": "host:port" }` · 404 M_NOT_FOUND nothing is configured
 * @see https://spec.matrix.org/v1.19/server-server-api/#getwell-knownmatrixserver
 */
const wellKnownServer = ({ wellKnown }: Uses): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/.well-known/matrix/server',
    auth: 'none',
    body: 'none',
    handler() {
      if (wellKnown.server === undefined) throw notFound('This server is where its name leads');
      return json({ 'm.server': wellKnown.server });
    },
  });

/**
 * `GET /.well-known/matrix/client`
 * Tells clients where they reach this server.
 * 200 `{ "m.homeserver": { base_url } }` · 404 M_NOT_FOUND nothing is configured
 * @see https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixclient
 */
const wellKnownClient = ({ server }: Uses): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/.well-known/matrix/client',
    auth: 'none',
    body: 'none',
    handler() {
      const discovery = clientDiscovery(server);
      if (discovery === undefined) throw notFound('This server has not been told its public address');
      return json(discovery);
    },
  });

/**
 * `GET /.well-known/matrix/support`
 * Tells whom to turn to.
 * 200 `{ contacts, support_page }` · 404 M_NOT_FOUND nothing is configured
 * @see https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixsupport
 */
const wellKnownSupport = ({ wellKnown }: Uses): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/.well-known/matrix/support',
    auth: 'none',
    body: 'none',
    handler() {
      const { supportEmail, supportUser, supportPage } = wellKnown;
      const answer: JsonObject = {};
      if (supportEmail !== undefined || supportUser !== undefined) {
        const contact: JsonObject = { role: 'm.role.admin' };
        if (supportEmail !== undefined) contact['email_address'] = supportEmail;
        if (supportUser !== undefined) contact['matrix_id'] = supportUser;
        answer['contacts'] = [contact];
      }
      if (supportPage !== undefined) answer['support_page'] = supportPage;
      if (Object.keys(answer).length === 0) throw notFound('This server names nobody to turn to');
      return json(answer);
    },
  });

/**
 * `GET /.well-known/matrix/policy_server`
 * The public key of the policy server under this name, for those who want it asked about what is said in their room.
 * 200 `{ public_keys: { ed25519 } }` · 404 M_NOT_FOUND there is none
 * @see https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixpolicy_server
 */
const wellKnownPolicyServer = ({ wellKnown }: Uses): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/.well-known/matrix/policy_server',
    auth: 'none',
    body: 'none',
    handler() {
      if (wellKnown.policyServerKey === undefined) throw notFound('There is no policy server under this name');
      return json({ public_keys: { ed25519: wellKnown.policyServerKey } });
    },
  });
