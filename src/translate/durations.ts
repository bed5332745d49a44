// Milliseconds as proto3 JSON durations.

/** 1500 -> `1.5s`. */
export function duration(ms: number): string {
  return `${ms / 1000}s`;
}
