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

/** `listener` names the line's origin. */
export function accessLog(kind: 'http' | 'tcp', listener: string): AccessLogJson {
  const log: StdoutAccessLogJson = {
    logFormat: { jsonFormat: { listener, ...(kind === 'http' ? httpFields : tcpFields) } },
  };
  return {
    name: 'envoy.access_loggers.stdout',
    typedConfig: { '@type': `type.googleapis.com/${stdout}`, ...log },
  };
}
