// Types of bin/foreground.mjs for the tests.
export declare function runForeground(
  command: string,
  args: readonly string[],
  options?: {
    readonly env?: NodeJS.ProcessEnv;
    readonly ownGroup?: boolean;
    readonly onStart?: (pid: number) => void;
  },
): Promise<number>;
