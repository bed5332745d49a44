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
  CH1390: {
    title: 'No object store can be written to',
    hint: 'Configure one under `objects` (a directory, a Consul KV prefix or an etcd prefix).',
  },
  CH1391: {
    title: 'The object lives in a source that is not written to',
    hint: 'Change it where it lives, or remove it there first.',
  },
  CH1392: { title: 'The object is not there', hint: 'Run `chancery get KIND` to see which objects are.' },
  // CH16xx: configuration and command line
  CH1601: {
    title: 'The command line is not understood',
    hint: 'Run the command with --help to see its options and an example.',
  },
  CH1602: {
    title: 'The configuration file cannot be read',
    hint: 'Check the path given by -c and that the file is valid YAML.',
  },
  CH1603: {
    title: 'The configuration key is not known',
    hint: 'Remove it or correct its spelling; `chancery schema config` lists the keys.',
  },
  CH1604: {
    title: 'The configuration value does not fit',
    hint: 'Write a value of the form that the message names.',
  },
  CH1605: {
    title: 'No registry is configured',
    hint: 'Write a chancery.yaml with `registries`, or set CONSUL_HTTP_ADDR or ETCDCTL_ENDPOINTS.',
  },
  CH1606: {
    title: 'The Chancery server cannot be reached',
    hint: 'Check that `chancery serve` runs and that --server or CHANCERY_SERVER names its HTTP address.',
  },
  CH1607: {
    title: 'The server refused the token',
    hint: 'Name the token file of that server by --token-file or CHANCERY_TOKEN_FILE; `serve` prints its path.',
  },
  CH1608: {
    title: 'The file or directory cannot be read',
    hint: 'Check the path; `-` reads from standard input.',
  },
  CH1609: {
    title: 'The proxies were not in sync in time',
    hint: 'Run `chancery status` to see which proxy lacks what.',
  },
  CH1610: {
    title: 'Envoy was not found',
    hint: 'Set ENVOY_BIN to an Envoy binary, put envoy on PATH, or run `npm start`, which fetches it.',
  },
  CH1611: {
    title: 'A part of the demo did not start',
    hint: 'Read the log file that the message names.',
  },
  CH1612: {
    title: 'The state directory cannot be used',
    hint: 'Choose a directory this user can write with `state` in chancery.yaml, --state or CHANCERY_STATE.',
  },
  CH1613: {
    title: 'Plaintext is refused on this address',
    hint: 'Listen on 127.0.0.1, or accept plaintext knowingly with --insecure.',
  },
  CH1614: {
    title: 'The address cannot be listened on',
    hint: 'Another program may use the port: choose another one, or 0 for any free one.',
  },
  CH1615: {
    title: 'Objects were refused',
    hint: 'Correct what the messages name and apply again.',
  },
  CH1616: {
    title: 'The object does not exist',
    hint: 'Run `chancery get KIND` to see what there is.',
  },
  // CH17xx: HTTP API
  CH1701: {
    title: 'The bearer token is missing or wrong',
    hint: 'Send `Authorization: Bearer TOKEN` with the content of the token file that `serve` names at start.',
  },
  CH1702: {
    title: 'The Host or Origin of the request is not allowed',
    hint: 'Use a loopback name, or add the name to `http.hosts` in chancery.yaml.',
  },
  CH1703: { title: 'There is no such resource', hint: 'See /api/v1/openapi.json for the paths there are.' },
  CH1704: { title: 'The request does not fit', hint: 'See /api/v1/openapi.json for parameters and bodies.' },
  CH1705: { title: 'The request body is too large', hint: 'Apply fewer objects at a time; the limit is 4 MiB.' },
  CH1706: {
    title: 'The control plane is not ready',
    hint: 'Wait for /readyz; it names the sources that have not answered yet.',
  },
  CH1707: {
    title: 'The method is not allowed here',
    hint: 'Nothing changes by GET; see /api/v1/openapi.json for the methods of each path.',
  },
  CH1708: { title: 'The server failed', hint: 'Look at the log of the server at the time of the request.' },
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;
