import { configDefaults, defineConfig } from 'vitest/config';

// Files share one process (isolate: false): nothing in the project works at import or keeps module state,
// so tests cannot see each other, and the run is many times faster.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Soaks and large runs belong to `npm run test:long`.
    exclude: process.env['TEST_LONG'] === '1' ? configDefaults.exclude : [...configDefaults.exclude, 'test/long/**'],
    isolate: false,
    pool: 'threads',
    // Tests with real parts mostly wait, so one worker less than there are cores would waste half of two.
    maxWorkers: 2,
    testTimeout: 10_000,
    hookTimeout: 60_000,
  },
});
