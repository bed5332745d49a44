// What every check is made of: a name, and what it found, or why it failed. It knows no stage.

/** The promise resolves with what was found, for the line of the check. */
export type Check = readonly [name: string, run: () => Promise<string>];

export class Failed extends Error {}

export function expect(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Failed(why);
}
