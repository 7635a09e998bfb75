/** A map by (type, state_key), in the order of first insertion of each type. */
export class StateMap<Value> {
  readonly #byType = new Map<string, Map<string, Value>>();

  get(type: string, stateKey: string): Value | undefined {
    return this.#byType.get(type)?.get(stateKey);
  }

  has(type: string, stateKey: string): boolean {
    return this.#byType.get(type)?.has(stateKey) ?? false;
  }

  set(type: string, stateKey: string, value: Value): this {
    let byKey = this.#byType.get(type);
    if (!byKey) {
      byKey = new Map<string, Value>();
      this.#byType.set(type, byKey);
    }
    byKey.set(stateKey, value);
    return this;
  }

  delete(type: string, stateKey: string): void {
    this.#byType.get(type)?.delete(stateKey);
  }

  *entries(): Generator<readonly [type: string, stateKey: string, value: Value]> {
    for (const [type, byKey] of this.#byType) {
      for (const [stateKey, value] of byKey) yield [type, stateKey, value];
    }
  }

  copy(): StateMap<Value> {
    const copy = new StateMap<Value>();
    for (const [type, stateKey, value] of this.entries()) copy.set(type, stateKey, value);
    return copy;
  }
}
