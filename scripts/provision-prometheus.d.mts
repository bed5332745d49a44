export interface Prometheus {
  readonly path: string;
  readonly promtool: string;
  readonly version: string;
}
export function findPrometheus(env?: NodeJS.ProcessEnv): Prometheus | undefined;
export function ensurePrometheus(): Promise<Prometheus | { readonly missing: string; readonly path?: undefined }>;
