import { BodyBudget } from '../api/http/body-budget.ts';
import { RateLimits } from '../api/http/rate-limits.ts';
import type { Gate } from '../api/http/types.ts';
import type { Config } from '../config/config.ts';
import type { Federation } from '../federation/create-federation.ts';
import type { Users } from '../users/users.ts';
import type { Clock } from '../util/clock.ts';

interface GateUses {
  readonly config: Pick<Config, 'rateLimits'>;
  readonly clock: Clock;
  readonly users: Pick<Users, 'tokens'>;
  readonly federation: Pick<Federation, 'requestAuth'>;
}

/** Who is let in to the endpoints, and how often. */
export function createGate({ config, clock, users, federation }: GateUses): Gate {
  const limits = new RateLimits(config.rateLimits, clock);
  const { requestAuth } = federation;
  return {
    authenticate: (token, sighting) => users.tokens.authenticate(token, sighting),
    admit: (action, ip, requester) => limits.admit(action, ip, requester),
    servers: {
      bodies: new BodyBudget(clock),
      begin: (header, admit) => requestAuth.begin(header, admit),
      verify: (header, request) => requestAuth.verify(header, request),
      admit: (action, origin) => limits.admitServer(action, origin),
    },
  };
}
