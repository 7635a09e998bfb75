import type { RateLimits } from '../api/http/rate-limits.ts';
import type { Config } from '../config/config.ts';
import type { FederationPolicy } from '../federation/policy.ts';
import type { RoomLimits } from '../rooms/limits/room-limits.ts';

interface SettingsUses {
  readonly rateLimits: RateLimits;
  readonly policy: FederationPolicy;
  readonly roomLimits: RoomLimits;
}

/** The configuration in force: that of the start, and what was taken over of later ones. */
export class Settings {
  readonly #uses: SettingsUses;
  #inForce: Config;

  constructor(config: Config, uses: SettingsUses) {
    this.#uses = uses;
    this.#inForce = config;
  }

  get inForce(): Config {
    return this.#inForce;
  }

  /** Takes over what a running server can: limits, and whom it talks to. The log level is the caller's. */
  takeOver({ rateLimits, limits, federation: { allow, deny }, log }: Config): void {
    const federation = { ...this.#inForce.federation, allow, deny };
    this.#uses.rateLimits.use(rateLimits);
    this.#uses.roomLimits.use(limits.room);
    this.#uses.policy.use(federation);
    this.#inForce = { ...this.#inForce, rateLimits, limits, federation, log };
  }
}
