// The one table of error codes. Its page docs/errors.md is generated from it; a tidy test holds both together.
// Ranges: CH10xx object syntax and shape, CH11xx meaning and references of objects, CH12xx routing,
// CH13xx registries and object stores, CH14xx generated resources, CH15xx xDS, CH16xx configuration and CLI,
// CH17xx HTTP API. `hint` says what to do next and is never empty.

export interface ErrorCode {
  /** One plain sentence: what is wrong. */
  readonly title: string;
  /** One plain sentence: what to do. */
  readonly hint: string;
}

export const errorCodes = {
  // CH10xx: object syntax and shape
  CH1001: {
    title: 'The file is not valid YAML',
    hint: 'Fix the syntax at the position shown; the objects of other files are not affected.',
  },
  CH1002: { title: 'The document is not an object', hint: 'Write a mapping with apiVersion, kind, metadata and spec.' },
  CH1003: {
    title: 'The apiVersion and kind are not known',
    hint: 'Use one of the kinds that `chancery schema` lists.',
  },
  CH1004: {
    title: 'The key is not known here',
    hint: 'Remove it or correct its spelling; `chancery schema KIND` lists the keys.',
  },
  CH1005: { title: 'The value does not fit', hint: 'Write a value of the form that the message names.' },
  CH1006: { title: 'A required key is missing', hint: 'Add the key that the message names.' },
  // CH13xx: registries and object stores
  CH1301: {
    title: 'The registry cannot be reached',
    hint: 'Check its address and that it runs; the last good state is served meanwhile.',
  },
  // CH16xx: configuration and command line
  CH1601: {
    title: 'The command line is not understood',
    hint: 'Run the command with --help to see its options and an example.',
  },
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;
