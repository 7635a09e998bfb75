import type { Federation } from '../../federation/create-federation.ts';
import { AddressInvites, type AddressInvitesUses } from './address-invites.ts';
import { Redeeming, type RedeemingUses } from './redeeming.ts';

/** Invites of people of whom only an address is known. */
export interface ThirdParty {
  readonly addressInvites: AddressInvites;
  /** Makes invites of users of these. */
  readonly redeeming: Redeeming;
}

export interface ThirdPartyUses extends AddressInvitesUses, Omit<RedeemingUses, 'client' | 'identityServers'> {
  readonly identityServers: AddressInvitesUses['identityServers'] & RedeemingUses['identityServers'];
  readonly federation: Pick<Federation, 'client'>;
}

export function createThirdParty(uses: ThirdPartyUses): ThirdParty {
  const { client } = uses.federation;
  return { addressInvites: new AddressInvites(uses), redeeming: new Redeeming({ ...uses, client }) };
}
