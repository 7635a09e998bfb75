import type { ServerNid, StreamPos } from '../../store/nids.ts';
import type { JsonObject } from '../../util/json.ts';

/** An ephemeral data unit as it stands in a transaction. */
export interface Edu {
  readonly edu_type: string;
  readonly content: JsonObject;
}

/** What a source has for one server. */
export interface EduPage {
  /** In the order in which they must arrive. */
  readonly edus: readonly Edu[];
  /** Everything up to here is among `edus`: the end of the range, or less if there is more than the limit. */
  readonly upTo: StreamPos;
}

/**
 * Something that other servers must hear of besides events. A source keeps its own rows (or little in memory) and is
 * read by position, again and again until it was delivered: a range answers the same as long as it is not.
 */
export interface EduSource {
  /** Servers with something in (from, to] and a NID above `after`, by NID. */
  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[];
  /** What there is for a server in (from, to], at most `limit` units; with a limit above 0 `upTo` is above `from`. */
  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): EduPage;
  /**
   * The server has everything up to there, or will never have it. Inside a write, and only after a `read` that answered
   * something: rows may go.
   */
  delivered?(server: ServerNid, upTo: StreamPos): void;
  /** All that keep up have been told of a stretch: what was remembered of it for them can go. */
  forget?(): void;
}
