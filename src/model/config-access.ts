// How Consul and etcd are reached, as any section of chancery.yaml says it. Keys and defaults only.
// It must not know what is kept there. Invariant: a secret can always be named as a file.
import { z } from 'zod';

const text = z.string().min(1);
const path = text;

const consulReach = {
  address: z
    .url({ protocol: /^https?$/ })
    .default('http://127.0.0.1:8500')
    .describe('URL of the Consul agent'),
};
const consulTokenFile = {
  tokenFile: path.optional().describe('file holding the ACL token, read again when it changes'),
};
const consulRest = {
  datacenter: text.optional().describe("the agent's own if absent"),
  namespace: text.optional().describe('Consul Enterprise namespace'),
  partition: text.optional().describe('Consul Enterprise admin partition'),
  caFile: path.optional().describe('PEM of the authority that signed the server certificate'),
  certFile: path.optional().describe('PEM of a client certificate'),
  keyFile: path.optional().describe('PEM of its private key'),
};

/** Of a Consul agent that is asked with the callers' own tokens. */
export const consulAgent = { ...consulReach, ...consulRest };

/** With a token of ours, as a file only. */
export const consulByFile = { ...consulReach, ...consulTokenFile, ...consulRest };

/** Of the agent that gives certificates of Connect. */
export const consulConnect = {
  ...consulReach,
  ...consulTokenFile,
  caFile: consulRest.caFile,
  certFile: consulRest.certFile,
  keyFile: consulRest.keyFile,
};

export const consulAccess = {
  ...consulReach,
  token: text.optional().describe('ACL token; better as tokenFile'),
  ...consulTokenFile,
  ...consulRest,
};

const etcdReach = {
  endpoints: z.array(text).min(1).default(['http://127.0.0.1:2379']).describe('URLs of the members'),
  username: text.optional().describe('user of etcd; none if absent'),
};
const etcdRest = {
  passwordFile: path.optional().describe('file holding the password, read at every session'),
  caFile: path.optional().describe('PEM of the authority that signed the server certificates'),
  certFile: path.optional().describe('PEM of a client certificate'),
  keyFile: path.optional().describe('PEM of its private key'),
};

/** With a password of ours, as a file only. */
export const etcdByFile = { ...etcdReach, ...etcdRest };

export const etcdAccess = {
  ...etcdReach,
  password: text.optional().describe('better as passwordFile'),
  ...etcdRest,
};
