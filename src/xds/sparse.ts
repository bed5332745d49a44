// A set and a map of names that are empty nearly always: a stream has dozens of them, and an empty Set takes 200 bytes.
// It must not know what they hold. Invariant: as Set and Map, with insertion order, but for what is not offered; one name
// alone takes no table.

export class SparseSet {
  #only: string | undefined;
  #all: Set<string> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1);
  }

  has(name: string): boolean {
    return this.#all?.has(name) ?? this.#only === name;
  }

  add(name: string): void {
    if (this.#all !== undefined) this.#all.add(name);
    else if (this.#only === undefined) this.#only = name;
    else if (this.#only !== name) {
      this.#all = new Set([this.#only, name]);
      this.#only = undefined;
    }
  }

  /** True if it was there. */
  delete(name: string): boolean {
    if (this.#all === undefined) {
      if (this.#only !== name) return false;
      this.#only = undefined;
      return true;
    }
    const deleted = this.#all.delete(name);
    if (this.#all.size === 0) this.#all = undefined;
    return deleted;
  }

  clear(): void {
    this.#only = undefined;
    this.#all = undefined;
  }

  *[Symbol.iterator](): Iterator<string> {
    if (this.#all !== undefined) yield* this.#all;
    else if (this.#only !== undefined) yield this.#only;
  }
}

export class SparseMap<Value> {
  #all: Map<string, Value> | undefined;

  get size(): number {
    return this.#all?.size ?? 0;
  }

  has(name: string): boolean {
    return this.#all?.has(name) ?? false;
  }

  get(name: string): Value | undefined {
    return this.#all?.get(name);
  }

  set(name: string, value: Value): void {
    this.#all ??= new Map();
    this.#all.set(name, value);
  }

  delete(name: string): void {
    this.#all?.delete(name);
    if (this.#all?.size === 0) this.#all = undefined;
  }

  *[Symbol.iterator](): Iterator<[string, Value]> {
    if (this.#all !== undefined) yield* this.#all;
  }
}
