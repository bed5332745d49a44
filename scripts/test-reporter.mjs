// A vitest reporter that writes what the runner's last lines are made of: counts, and every skipped test with its reason.
// A file that does not load, a failing hook and an unhandled error each count as one failure.
import { writeFileSync } from 'node:fs';

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: 0, skipped: [], failures: [] };
    const fail = (name) => {
      summary.failed++;
      summary.failures.push(name);
    };
    for (const module of modules) {
      const file = module.relativeModuleId ?? module.moduleId;
      if (module.errors().length > 0) fail(file);
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) fail(`${file} > ${suite.fullName}`);
      for (const test of module.children.allTests()) {
        const { state, note } = test.result();
        const name = `${file} > ${test.fullName}`;
        if (state === 'passed') summary.passed++;
        else if (state === 'failed') fail(name);
        // `pending` at the end means that it never ran.
        else summary.skipped.push(note === undefined ? name : `${name} [skipped: ${note}]`);
      }
    }
    for (const error of unhandledErrors) fail(`unhandled error: ${error.message ?? error}`);
    if (process.env.TEST_SUMMARY_FILE) writeFileSync(process.env.TEST_SUMMARY_FILE, JSON.stringify(summary));
  }
}
