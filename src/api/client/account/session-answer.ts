import type { Session } from '../../../users/login/logins.ts';
import type { JsonObject } from '../../../util/json.ts';
import type { ServerInfo } from '../../services.ts';
import { clientDiscovery } from './discovery.ts';

/** What a new session looks like to its client. `home_server` is for clients of long ago. */
export function sessionAnswer(session: Session, server: ServerInfo): JsonObject {
  const discovery = clientDiscovery(server);
  return {
    user_id: session.userId,
    access_token: session.accessToken,
    device_id: session.deviceId,
    home_server: server.serverName,
    ...(session.refreshToken === undefined ? {} : { refresh_token: session.refreshToken }),
    ...(session.expiresIn === undefined ? {} : { expires_in_ms: session.expiresIn }),
    ...(discovery === undefined ? {} : { well_known: discovery }),
  };
}
