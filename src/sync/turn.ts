import type { Filter } from '../protocol/filters/filter.ts';
import type { UserId } from '../protocol/ids/types.ts';
import type { DeviceNid, StreamPos, UserNid } from '../store/nids.ts';

/** Under which name the state is told: as of the start of the timeline (`state`) or of its end. */
export type StateSection = 'state' | 'state_after' | 'org.matrix.msc4222.state_after';

/** One answer to one /sync call: for whom, and which stretch of the stream it covers. */
export interface Turn {
  readonly user: UserNid;
  readonly userId: UserId;
  readonly device: DeviceNid;
  readonly filter: Filter;
  /** What the client has; 0 in an initial sync. */
  readonly since: StreamPos;
  /** Up to where the client has messages to its device. */
  readonly toDevice: StreamPos;
  /** Up to here there is nothing for this client; at or after `since`. */
  readonly from: StreamPos;
  /** Everything is read as of this position. */
  readonly now: StreamPos;
  /** The client has nothing, or nothing that can be built on. */
  readonly initial: boolean;
  /** The client's token is from before a restore: all its rooms have a gap. */
  readonly broken: boolean;
  readonly fullState: boolean;
  /** State as of the end of the timeline instead of its start. */
  readonly stateAfter: boolean;
  readonly stateSection: StateSection;
  /** Whose messages and invites the user does not want to see. */
  readonly ignored: ReadonlySet<UserNid>;
}
