/** Counts the changes of one table: who remembers what it read there sees by it whether that still holds. */
export interface TableVersion {
  readonly count: number;
}

/** The same for those who write. */
export interface WrittenTable {
  count: number;
}

/** What a statement writes to; other words that stand there, such as the `SET` behind `DO UPDATE`, are no tables. */
const written = /\b(?:INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]\w*)/gi;
const readFrom = /\b(?:FROM|JOIN)\s+([a-z_]\w*)/gi;

/** How often each table of a connection was written to, by whatever statement. One number for each table there is. */
export class TableVersions {
  readonly #versions = new Map<string, WrittenTable>();
  readonly #writes: boolean;

  /** Of a connection that only reads nothing is known: others may write to what it reads. */
  constructor(writes: boolean) {
    this.#writes = writes;
  }

  /** The tables that a statement writes to. */
  writtenBy(sql: string): WrittenTable[] {
    return this.#named(sql, written);
  }

  /** The tables that a statement reads. */
  readBy(sql: string): TableVersion[] {
    return this.#writes ? this.#named(sql, readFrom) : [new Restless()];
  }

  /** Something was rolled back: what was read since it was written never was. */
  changeAll(): void {
    for (const version of this.#versions.values()) version.count++;
  }

  #named(sql: string, names: RegExp): WrittenTable[] {
    const found = new Set<string>();
    for (const [, name = ''] of sql.matchAll(names)) found.add(name.toLowerCase());
    return [...found].map((name) => this.#of(name));
  }

  #of(table: string): WrittenTable {
    let version = this.#versions.get(table);
    if (version === undefined) this.#versions.set(table, (version = { count: 0 }));
    return version;
  }
}

/** A table that may be another one each time it is looked at. */
class Restless implements TableVersion {
  #looks = 0;

  get count(): number {
    return this.#looks++;
  }
}
