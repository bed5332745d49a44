// One JSON line a request on standard output, for Loki or whatever reads a container's log.
// Invariant: no header that may hold a credential, and no query string, is among the fields.
import type { AccessLogJson } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { StdoutAccessLogJson } from '../../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';

const stdout = 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';

const httpFields = {
  time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%PATH(NQ)%',
  protocol: '%PROTOCOL%',
  code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  duration_ms: '%DURATION%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  request_id: '%REQ(X-REQUEST-ID)%',
  user_agent: '%REQ(USER-AGENT)%',
};

const tcpFields = {
  time: '%START_TIME%',
  response_flags: '%RESPONSE_FLAGS%',
  duration_ms: '%DURATION%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_host: '%UPSTREAM_HOST%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
};

/** Where callers show who they are: who it was, and which rule in shadow would have refused it. */
const callerFields = {
  http: {
    // Of the connection: what a caller in plaintext writes into x-forwarded-for is not where it is.
    downstream_remote_address: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
    peer: '%DOWNSTREAM_PEER_URI_SAN%',
    shadow_denied_by: '%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_effective_policy_id)%',
  },
  tcp: {
    peer: '%DOWNSTREAM_PEER_URI_SAN%',
    shadow_denied_by: '%DYNAMIC_METADATA(envoy.filters.network.rbac:shadow_effective_policy_id)%',
    // What refused it, among others; of requests `response_code_details` says so.
    termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  },
};

export interface AccessLogOptions {
  /** Callers show who they are. */
  readonly callers?: boolean;
}

/** `listener` names the line's origin. */
export function accessLog(
  kind: 'http' | 'tcp',
  listener: string,
  { callers = false }: AccessLogOptions = {},
): AccessLogJson {
  const fields = kind === 'http' ? httpFields : tcpFields;
  const log: StdoutAccessLogJson = {
    logFormat: { jsonFormat: { listener, ...fields, ...(callers ? callerFields[kind] : {}) } },
  };
  return {
    name: 'envoy.access_loggers.stdout',
    typedConfig: { '@type': `type.googleapis.com/${stdout}`, ...log },
  };
}
