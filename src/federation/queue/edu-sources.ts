import type { ServerNid, StreamPos } from '../../store/nids.ts';
import type { Edu, EduSource } from './edu-source.ts';

/** What a transaction carries besides events, and how far that goes. */
export interface GatheredEdus {
  readonly edus: readonly Edu[];
  readonly upTo: StreamPos;
  /** Whose rows may go once it is delivered. */
  readonly from: readonly EduSource[];
}

/** What each source may give at least, however much those before it have: this part of the limit, and never nothing. */
const share = 0.1;

/** All that other servers must hear of besides events. What is added first comes first. */
export class EduSources {
  readonly #sources: EduSource[] = [];

  add(source: EduSource): void {
    this.#sources.push(source);
  }

  /** The sources' own lists, each by NID and complete up to its last where it has `limit`. */
  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[][] {
    return this.#sources.map((source) => source.servers(from, to, after, limit));
  }

  /** What all sources have for a server, at most `limit`, up to one position that holds for all of them. */
  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): GatheredEdus {
    const first = this.#pass(server, from, to, limit);
    // A source that has more than fits draws the line for those before it, too.
    return first.upTo === to ? first : this.#pass(server, from, first.upTo, limit);
  }

  /** What there is for a server in (from, to] will never be delivered. */
  giveUp(server: ServerNid, from: StreamPos, to: StreamPos): void {
    for (const source of this.#sources) {
      if (source.delivered !== undefined && source.read(server, from, to, 1).edus.length > 0) {
        source.delivered(server, to);
      }
    }
  }

  forget(): void {
    for (const source of this.#sources) source.forget?.();
  }

  #pass(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): GatheredEdus {
    const edus: Edu[] = [];
    const sources: EduSource[] = [];
    let upTo = to;
    for (const [index, source] of this.#sources.entries()) {
      const each = Math.max(1, Math.floor(share * limit));
      const reserved = each * (this.#sources.length - 1 - index);
      const page = source.read(server, from, upTo, Math.max(1, limit - edus.length - reserved));
      upTo = page.upTo;
      if (page.edus.length === 0) continue;
      edus.push(...page.edus);
      sources.push(source);
    }
    return { edus, upTo, from: sources };
  }
}
