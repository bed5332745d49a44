export interface FoundAuthority {
  readonly path: string;
  readonly version: string;
}
export interface MissingAuthority {
  readonly missing: string;
  readonly path?: undefined;
}
export function ensureStepCa(): Promise<FoundAuthority | MissingAuthority>;
export function findVault(): FoundAuthority | MissingAuthority;
export const placeOfVault: string;
