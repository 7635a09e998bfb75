import { BodyBudget, serversBodies, strangersBodies, usersBodies } from '../api/http/body-budget.ts';
import type { RateLimits } from '../api/http/rate-limits.ts';
import type { Gate } from '../api/http/types.ts';
import type { Federation } from '../federation/create-federation.ts';
import type { Gates } from '../governor/gates.ts';
import { clockWrong } from '../protocol/errors.ts';
import type { Users } from '../users/users.ts';
import type { Clock } from '../util/clock.ts';

interface GateUses {
  readonly rateLimits: RateLimits;
  readonly gates: Pick<Gates, 'requireWrite' | 'requireMemory' | 'requireInbound' | 'diskIsFull'>;
  readonly clock: Clock;
  readonly users: Pick<Users, 'tokens'>;
  readonly federation: Pick<Federation, 'requestAuth'>;
}

/** Who is let in to the endpoints, and how often. */
export function createGate({ rateLimits, gates, clock, users, federation }: GateUses): Gate {
  const { requestAuth } = federation;
  return {
    authenticate: (token, sighting) => users.tokens.authenticate(token, sighting),
    admit: (action, ip, requester) => rateLimits.admit(action, ip, requester),
    requireSpace: () => gates.requireWrite(),
    requireMemory: () => gates.requireMemory(),
    requireInbound: () => gates.requireInbound(),
    bodies: { users: new BodyBudget(clock, usersBodies), strangers: new BodyBudget(clock, strangersBodies) },
    diskIsFull: () => gates.diskIsFull(),
    servers: {
      bodies: new BodyBudget(clock, serversBodies),
      begin: (header, admit) => {
        // Keys of others cannot be judged; who is sent away comes back.
        if (!clock.isRight) throw clockWrong();
        return requestAuth.begin(header, admit);
      },
      verify: (header, request) => requestAuth.verify(header, request),
      admit: (action, origin) => rateLimits.admitServer(action, origin),
    },
  };
}
