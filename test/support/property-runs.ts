// How many cases a property is tried on: few while developing and in `npm test`, many in `npm run test:long`.

/** `normal` runs in `npm test`; twenty-five times as many in the long run; TEST_RUNS multiplies either. */
export function propertyRuns(normal: number): number {
  const factor = (process.env['TEST_LONG'] === '1' ? 25 : 1) * Number(process.env['TEST_RUNS'] ?? 1);
  return Math.max(1, Math.round(normal * factor));
}

/**
 * What `fc.assert` takes. A failure prints its seed and path; TEST_SEED and TEST_PATH, set to them, play it again.
 * TEST_SEED alone makes a whole run repeatable.
 */
export function propertyParameters(normal: number): { numRuns: number; seed?: number; path?: string } {
  const { TEST_SEED: seed, TEST_PATH: path } = process.env;
  return {
    numRuns: propertyRuns(normal),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}
