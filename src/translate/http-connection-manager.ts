// The HTTP side of a listener. It must not know routes: they come by RDS under a name, so that no edit of a route touches
// a listener. Invariant: what differs between an edge and a sidecar stands here and nowhere else.
import type { HttpProtocolOptionsJson } from '../gen/envoy/config/core/v3/protocol_pb.js';
import type { FilterJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type {
  HttpConnectionManagerJson,
  LocalReplyConfigJson,
} from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { duration } from './durations.ts';
import { accessLog } from './filters/access-log.ts';
import { httpFilters } from './filters/index.ts';
import { payloadHeaders, type TokenProviders } from './filters/jwt-authn.ts';
import { unsentHeader } from './retry.ts';

/** The application refused the connection (response flag UF): the caller is told that nothing was handled. */
const notSent: LocalReplyConfigJson = {
  mappers: [
    {
      filter: { responseFlagFilter: { flags: ['UF'] } },
      headersToAdd: [{ header: { key: unsentHeader, value: '1' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    },
  ],
};

/** What one connection of somebody unknown may take of memory and time. Source: Envoy's page on edge proxies. */
const strangers = {
  http2ProtocolOptions: {
    maxConcurrentStreams: 100,
    initialStreamWindowSize: 65_536,
    initialConnectionWindowSize: 1_048_576,
  },
  requestHeadersTimeout: '30s',
} satisfies HttpConnectionManagerJson;

const typeName = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export interface HttpOptions {
  /** Name of its RouteConfiguration. */
  readonly routes: string;
  readonly statPrefix: string;
  readonly listener: string;
  /** An edge meets clients nobody vouches for; a sidecar meets its own application or another sidecar. */
  readonly edge: boolean;
  /** Clients speak TLS, and HTTP/2 if they like. */
  readonly tls?: boolean;
  /** Before the local application. */
  readonly inbound: boolean;
  /** Callers show a certificate: its name is handed on in x-forwarded-client-cert. */
  readonly peerNames?: boolean;
  /** A connection that is as old takes no further requests. */
  readonly lifeMs?: number | undefined;
  /** Callers may show a certificate, and the routes say who may call. */
  readonly authorization?: boolean;
  /** Verifies tokens. */
  readonly tokens?: TokenProviders | undefined;
  readonly accessLog: boolean;
}

export function httpConnectionManager(options: HttpOptions): FilterJson {
  const { authorization = false, tokens } = options;
  const common: HttpProtocolOptionsJson = {
    ...(options.lifeMs === undefined ? {} : { maxConnectionDuration: duration(options.lifeMs) }),
    // To many applications `x_user` is `x-user`, so that a caller would write beside what a token said.
    ...(tokens !== undefined && payloadHeaders(tokens).length > 0
      ? { headersWithUnderscoresAction: 'DROP_HEADER' }
      : {}),
  };
  const manager: HttpConnectionManagerJson = {
    statPrefix: options.statPrefix,
    rds: { configSource: { ads: {}, resourceApiVersion: 'V3' }, routeConfigName: options.routes },
    httpFilters: httpFilters({ authorization, tokens }),
    ...(options.accessLog ? { accessLog: [accessLog('http', options.listener, { callers: authorization })] } : {}),
    ...(Object.keys(common).length === 0 ? {} : { commonHttpProtocolOptions: common }),
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    // `/a/../b` and `//b` must not slip past a rule for `/b`.
    normalizePath: true,
    mergeSlashes: true,
    // The application's own Server header stands; Envoy does not announce itself.
    serverHeaderTransformation: 'PASS_THROUGH',
    // At the edge the peer is the client and its X-Forwarded-For is not believed; behind it, what the edge wrote is kept.
    useRemoteAddress: options.edge,
    ...(options.edge ? {} : { skipXffAppend: true }),
    ...(options.tls === true ? strangers : {}),
    ...(options.inbound ? { localReplyConfig: notSent } : {}),
    // Nobody may write this header but who saw the certificate: it is removed from every request, and made anew here.
    ...(options.peerNames === true
      ? { forwardClientCertDetails: 'SANITIZE_SET' as const, setCurrentClientCertDetails: { uri: true } }
      : { forwardClientCertDetails: 'SANITIZE' as const }),
  };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: { '@type': `type.googleapis.com/${typeName}`, ...manager },
  };
}
