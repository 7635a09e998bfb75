/** Work that is under way for a key is shared by all who ask for it meanwhile. */
export class SharedWork<Key, Value> {
  readonly #underWay = new Map<Key, Promise<Value>>();

  /** How many keys are being worked on; whoever starts the work bounds it. */
  get size(): number {
    return this.#underWay.size;
  }

  /** The result of the work under way for `key`, else of `work`, which is begun at once. */
  run(key: Key, work: () => Promise<Value>): Promise<Value> {
    const present = this.#underWay.get(key);
    if (present !== undefined) return present;
    const begun = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, begun);
    return begun;
  }
}
