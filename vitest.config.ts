import { configDefaults, defineConfig } from 'vitest/config';

// Files share one process (isolate: false): nothing in the project works at import or keeps module state,
// so tests cannot see each other, and the run is many times faster.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Soaks and large runs belong to `npm run test:long`.
    exclude:
      process.env['TEST_LONG'] === '1' ? configDefaults.exclude : [...configDefaults.exclude, 'test/long/**'],
    isolate: false,
    pool: 'threads',
    testTimeout: 10_000,
    hookTimeout: 60_000,
  },
});
