// Types of scripts/setup.mjs for the tests.
type Packages = Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
export declare function fits(locked: Packages, installed: Packages): boolean;
