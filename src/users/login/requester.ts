import type { DeviceId, UserId } from '../../protocol/ids/types.ts';
import type { DeviceNid, UserNid } from '../../store/nids.ts';

/** Who makes a request, as its access token proves. */
export interface Requester {
  readonly user: UserNid;
  readonly userId: UserId;
  readonly device: DeviceNid;
  readonly deviceId: DeviceId;
  /** Admin of this server. */
  readonly admin: boolean;
  readonly guest: boolean;
  /** May read, but neither write nor join. */
  readonly suspended?: boolean;
  /** SHA-256 of the access token. */
  readonly tokenHash: Buffer;
}
