// Types of scripts/steps.mjs for the tests.
export declare class SetupError extends Error {}
export declare function withLock<T>(file: string, work: () => Promise<T>, onWait?: (pid: number) => void): Promise<T>;
export declare function placeWhole(folder: string, fill: (temporary: string) => Promise<void>): Promise<void>;
