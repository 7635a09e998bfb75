import type { Config } from '../../config/config.ts';
import type { FederationClient } from '../../federation/client.ts';
import { RoomPurges, type RoomPurgesUses } from '../purge/room-purge.ts';
import { Exemptions, type ExemptionUses } from './exemptions.ts';
import { RoomInquiry, type RoomInquiryUses } from './room-inquiry.ts';
import { RoomLimits, type RoomLimitsUses } from './room-limits.ts';

export type LimitingUses = Omit<RoomLimitsUses, 'inquiry' | 'settings'> &
  ExemptionUses &
  Omit<RoomPurgesUses, 'emptyRoomsAfter'> &
  Omit<RoomInquiryUses, 'client'> & {
    readonly federation: { readonly client: Pick<FederationClient, 'call'> };
    readonly limitSettings: RoomLimitsUses['settings'];
    readonly purgeSettings: Config['purge'];
  };

export interface Limiting {
  /** What rooms may cost. */
  readonly limits: RoomLimits;
  readonly exemptions: Exemptions;
  readonly purges: RoomPurges;
}

export function createLimits(uses: LimitingUses): Limiting {
  const inquiry = new RoomInquiry({ ...uses, client: uses.federation.client });
  return {
    limits: new RoomLimits({ ...uses, inquiry, settings: uses.limitSettings }),
    exemptions: new Exemptions(uses),
    purges: new RoomPurges({ ...uses, emptyRoomsAfter: uses.purgeSettings.emptyRoomsAfter }),
  };
}
