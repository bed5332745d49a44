// Types of scripts/parts.mjs for the tests, which are TypeScript.
export type PartName = 'envoy' | 'envoy-oldest' | 'consul' | 'etcd';

export interface Part {
  readonly title: string;
  readonly version: string;
  readonly variable: string;
  readonly command: string | undefined;
  readonly folder: string;
  readonly file: string;
  accepts(version: string): boolean;
}

export type FoundPart =
  | {
      readonly path: string;
      readonly version: string;
      readonly from: 'variable' | 'PATH' | 'cache';
      readonly missing?: never;
    }
  | { readonly missing: string; readonly tried: readonly string[]; readonly path?: never };

export declare const parts: Readonly<Record<PartName, Part>>;
export declare function cacheRoot(env?: NodeJS.ProcessEnv): string;
export declare function goEnvironment(env?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
export declare function cacheFolder(name: PartName, version?: string, env?: NodeJS.ProcessEnv): string;
export declare function versionOf(file: string): string | undefined;
export declare function findPart(name: PartName, env?: NodeJS.ProcessEnv): FoundPart;
