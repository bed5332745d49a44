// How many cases a property is tried on: few while developing and in `npm test`, many in `npm run test:long`.

/** `normal` runs in `npm test`; twenty-five times as many in the long run; TEST_RUNS multiplies either. */
export function propertyRuns(normal: number): number {
  const factor = (process.env['TEST_LONG'] === '1' ? 25 : 1) * Number(process.env['TEST_RUNS'] ?? 1);
  return Math.max(1, Math.round(normal * factor));
}
