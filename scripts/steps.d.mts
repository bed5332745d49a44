// Types of scripts/steps.mjs for the tests.
export declare class SetupError extends Error {}
export declare function withLock<T>(file: string, work: () => Promise<T>, onWait?: (pid: number) => void): Promise<T>;
export declare function placeWhole(folder: string, fill: (temporary: string) => Promise<void>): Promise<void>;
export declare function run(
  command: string,
  args: readonly string[],
  options?: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly lowPriority?: boolean },
): Promise<string>;
