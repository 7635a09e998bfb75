import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { accountEndpoints } from './account.ts';
import { accountDataEndpoints } from './account-data.ts';
import { deviceEndpoints } from './devices.ts';
import { discoveryEndpoints } from './discovery.ts';
import { filterEndpoints } from './filter.ts';
import { loginEndpoints } from './login.ts';
import { loginFallbackEndpoint } from './login-fallback.ts';
import { logoutEndpoints } from './logout.ts';
import { mailEndpoints } from './mail.ts';
import { profileEndpoints } from './profile.ts';
import { registerEndpoints } from './register.ts';
import { sharedSecretEndpoints } from './shared-secret.ts';
import { tagEndpoints } from './tags.ts';
import { threepidEndpoints } from './threepids.ts';
import { uiaFallbackEndpoints } from './uia-fallback.ts';

/** Accounts, their sessions, and what clients keep for them. */
export function accountApiEndpoints(services: AccountServices): Endpoint[] {
  return [
    ...discoveryEndpoints(services),
    ...registerEndpoints(services),
    ...sharedSecretEndpoints(services),
    ...loginEndpoints(services),
    loginFallbackEndpoint(),
    ...logoutEndpoints(services),
    ...accountEndpoints(services),
    ...threepidEndpoints(services),
    ...mailEndpoints(services),
    ...deviceEndpoints(services),
    ...uiaFallbackEndpoints(services),
    ...profileEndpoints(services),
    ...accountDataEndpoints(services),
    ...tagEndpoints(services),
    ...filterEndpoints(services),
  ];
}
