import { configDefaults, defineConfig } from 'vitest/config';

// Files share their worker's modules (isolate: false): nothing in the project works at import or keeps module state,
// so tests cannot see each other, and the run is many times faster.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Soaks and large runs belong to `npm run test:long`.
    exclude: process.env['TEST_LONG'] === '1' ? configDefaults.exclude : [...configDefaults.exclude, 'test/long/**'],
    isolate: false,
    // Processes, not threads: while one thread starts a program, the copy of the process holds the ports that another has just
    // let go; and one of them aborting in V8 (https://github.com/nodejs/node/issues/64500) would end them all.
    pool: 'forks',
    // Tests with real parts mostly wait: two workers leave half of two cores idle.
    maxWorkers: 3,
    // Longer than `eventually` waits, so that a test which fails says for what; only failures take it.
    testTimeout: 30_000,
    hookTimeout: 90_000,
  },
});
