// The one table of error codes. Its page docs/errors.md is generated from it; a tidy test holds both together.
// Ranges: CH10xx object syntax and shape, CH11xx meaning and references of objects, CH12xx routing,
// CH13xx registries and object stores, CH14xx generated resources, CH15xx xDS, CH16xx configuration and CLI,
// CH17xx HTTP API, CH18xx authority, identity and store. `hint` says what to do next and is never empty.

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
    hint: 'Fix the syntax at the position shown; the other objects are not affected.',
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
  CH1007: { title: 'A key is there twice', hint: 'Keep one of the two; which one was meant cannot be known.' },
  CH1008: {
    title: 'The regular expression is not RE2',
    hint: 'Write it in RE2 syntax: no look-around and no back-references.',
  },
  CH1009: { title: 'The value is too large', hint: 'Make it smaller, or split it over several objects.' },
  CH1010: { title: 'The keys do not go together', hint: 'Keep what the message names and remove the rest.' },
  // CH11xx: meaning of objects
  CH1101: {
    title: 'The object is defined twice',
    hint: 'Remove or rename one of the two; the older one holds.',
  },
  CH1102: {
    title: 'The objects of one service disagree',
    hint: 'Write the same value in both, or remove it from one.',
  },
  CH1103: {
    title: 'The registry is not configured',
    hint: 'Name a registry of chancery.yaml, or leave the registry out to mean all.',
  },
  CH1104: {
    title: 'Two registries hold the same instance',
    hint: 'Deregister it from one of them; the registry configured first counts.',
  },
  CH1105: {
    title: 'The target port differs from the registered port',
    hint: 'The registered port is dialled; correct targetPort or the registration.',
  },
  CH1106: { title: 'There is more than one Mesh object', hint: 'Keep one; the older one holds.' },
  CH1107: {
    title: 'Only the first port of the service is used',
    hint: 'Write a Service of its own for each further port.',
  },
  CH1109: {
    title: 'The registered service name cannot be used',
    hint: 'Register it under a name of letters, digits, dots, dashes and underscores.',
  },
  CH1110: {
    title: 'The last good version of an object is served in place of its new text',
    hint: 'Mend the text, or delete the object from it; its errors are listed beside this.',
  },
  // CH12xx: routing
  CH1203: {
    title: 'The destination is not known',
    hint: 'Correct its name, register it, or write a Service for it; while nothing has it, it answers 503.',
  },
  CH1204: { title: 'The subset is not known', hint: 'Add it to `subsets` of the Service, or correct its name.' },
  CH1205: {
    title: 'The port is not the port of the service',
    hint: 'Name the `port` of the Service, or leave it out.',
  },
  CH1206: { title: 'The gateway is not known', hint: 'Write a Gateway of that name, or correct the name.' },
  CH1207: { title: 'The calling service is not known', hint: 'Correct its name; until then no request matches.' },
  CH1208: {
    title: 'All weights are zero',
    hint: 'Give at least one destination a weight above 0; until then the rule answers 503.',
  },
  CH1209: { title: 'The host has no effect', hint: 'Remove it, or let a listener of the gateway admit it.' },
  CH1210: {
    title: 'A destination means every instance beside a subset of the same service',
    hint: 'Name a subset in each destination, so that the shares are what they say.',
  },
  CH1211: {
    title: 'Two services claim one host',
    hint: 'Remove it from one of them, or rename one; the first by namespace and name holds, one with an object before one without.',
  },
  CH1212: {
    title: 'The service has no instances',
    hint: 'Register one, or list `endpoints` in the Service; until then it answers 503.',
  },
  CH1213: {
    title: 'The retry may repeat a request that was already handled',
    hint: 'Use connect-failure, refused-stream and reset-before-request, which are safe for every method.',
  },
  CH1220: {
    title: 'Another rule has the same match',
    hint: 'Make the matches differ, or remove one; the rule that comes first in the documented order holds.',
  },
  CH1221: { title: 'The rule cannot be served', hint: 'Correct what the message names; the other rules are served.' },
  CH1222: {
    title: 'The rewrite does not fit the match',
    hint: 'Rewrite a prefix only where the match has a path prefix or an exact path.',
  },
  CH1223: {
    title: 'Two listeners share one address and port',
    hint: 'Give each listener an address and port of its own; the one that stands first is served.',
  },
  CH1224: {
    title: 'The instance is registered under a host name',
    hint: 'Nothing is lost: Envoy resolves it by DNS. Register the IP address to have changes follow the registry at once.',
  },
  CH1225: {
    title: 'The instance has no port',
    hint: 'Register one, or give the Service a `targetPort`; until then the instance gets no traffic.',
  },
  CH1226: {
    title: 'The header cannot be edited',
    hint: 'Use `rewrite` for host and path; names that start with a colon cannot be set or removed.',
  },
  CH1227: {
    title: 'Nothing says where the listener leads',
    hint: 'Write a Route with `protocol: tcp` for this gateway; until then the listener is left out.',
  },
  CH1228: {
    title: 'The rule can never match',
    hint: 'Remove it, or mend what the message names; the order is exact path, longest prefix, regex, then method, headers and query.',
  },
  CH1229: {
    title: 'The listener has no IP address',
    hint: 'Write an IP address, 127.0.0.1 for localhost; until then the listener is left out.',
  },
  CH1230: {
    title: 'Two rules of one Route have one name',
    hint: 'Give each rule a name of its own: statistics and logs count their requests together.',
  },
  CH1231: {
    title: 'The bootstrap would send a secret to whoever answers',
    hint: 'Name the authority and the name of the control plane too: --xds-ca and --xds-name, or --credentials.',
  },
  CH1232: {
    title: 'The certificate of a listener is not known',
    hint: 'Write a Certificate of that name in the namespace of the Gateway, or correct the name.',
  },
  CH1233: {
    title: 'TLS at the edge needs proxies that prove who they are',
    hint: 'Start the control plane without --insecure (`xds.insecure`); with certificates in `xds.tls`, write `trust: {}` beside them. Then let the gateways join with a token.',
  },
  CH1234: {
    title: 'Two listeners of one port are for one server name',
    hint: 'Give each of them hosts of its own; the first one has the name.',
  },
  CH1235: {
    title: 'Mutual TLS is asked for, and no certificates are issued',
    hint: 'Start the control plane without --insecure (with certificates in `xds.tls`, write `trust: {}` beside them), or write `off` (a Service: `none`) if plaintext is meant.',
  },
  CH1236: {
    title: 'Instances without a sidecar are withheld',
    hint: 'Register a sidecar before each, or set `tls: permissive` in the Service (`none` if it shall never have one); until then they get no requests.',
  },
  CH1237: {
    title: 'The service cannot have a certificate',
    hint: 'Name it, its namespace and the trust domain with letters, digits, dots, dashes and underscores, or set `tls: none`; until then it answers 503.',
  },
  CH1238: {
    title: 'gRPC clients without a proxy cannot call the service',
    hint: 'They speak plaintext: set `tls: permissive` in the Service, or put an Envoy beside the client.',
  },
  CH1239: {
    title: 'The trust domain of the Mesh is not that of the authority',
    hint: 'Leave it out of the Mesh, or write what `trust.domain` in chancery.yaml says: all ids begin with that.',
  },
  CH1240: {
    title: 'A certificate is about to end',
    hint: 'Renew it: its files are read again by themselves when they change.',
  },
  CH1241: {
    title: 'The service of an Authorization is not known',
    hint: 'Correct its name, register it, or write a Service for it; until then the rules protect nothing.',
  },
  CH1242: {
    title: 'A caller that an Authorization names is not known',
    hint: 'Correct its name; until somebody bears it, it matches nobody.',
  },
  CH1243: {
    title: 'An Authorization names callers, and nobody shows who they are',
    hint: 'Switch mutual TLS on for the service: until then no rule that names callers is met, so that an allow rule lets none of them in and a deny rule keeps none out.',
  },
  CH1244: {
    title: 'The rule asks what a TCP service does not have',
    hint: 'Remove `to`: on connections an allow rule with it lets nobody in, and a deny rule with it refuses its callers altogether.',
  },
  CH1245: {
    title: 'The deny rule can be passed by in plaintext',
    hint: 'Add an allow rule, so that who shows no certificate is refused, or take mutual TLS only (`strict`).',
  },
  CH1246: {
    title: 'The files of a certificate cannot be used',
    hint: 'Mend the file that the message names; what was read before is shown meanwhile.',
  },
  CH1247: {
    title: 'A service is closed, as its Authorization is refused',
    hint: 'Mend the text; until then nobody is let in, because whom it was to let in is not known.',
  },
  CH1248: {
    title: 'A refused Authorization does not say what it protects',
    hint: 'Mend the text at once: the service that it was meant for cannot be read from it, and is not protected by it.',
  },
  CH1249: {
    title: 'The keys of an issuer of tokens cannot be used',
    hint: 'Give its public keys as the issuer publishes them (its `jwks_uri`); a key that is a secret must be replaced at the issuer.',
  },
  CH1250: {
    title: 'Nobody enforces an Authorization',
    hint: 'Register a sidecar for each instance: only the sidecar before an instance asks who calls it.',
  },
  CH1251: {
    title: 'One issuer of tokens is declared in two ways for one service',
    hint: 'Declare it alike in all Authorizations of the service; until then no token of it is believed.',
  },
  CH1252: {
    title: 'A file with the keys of an issuer of tokens cannot be used',
    hint: 'Mend the file that the message names: what the issuer publishes at its `jwks_uri`, on the machine of every control plane.',
  },
  CH1261: {
    title: 'An intention of Consul cannot be read, and closes its service',
    hint: 'Write the service-intentions entry anew; nobody may call its destination until then.',
  },
  CH1262: {
    title: 'An intention of Consul is about callers that are not known here',
    hint: 'Name callers of this datacenter, namespace and partition; whom it allows is not let in, and whom it denies is refused.',
  },
  CH1263: {
    title: 'An intention of Consul is stricter here than it was written',
    hint: 'Use PathExact, PathPrefix, Methods and headers with Exact, and deny before you allow; nothing more is let in meanwhile.',
  },
  CH1265: {
    title: 'Intentions of Consul let nobody in where mutual TLS is off',
    hint: 'Switch mutual TLS on for these services: without it no caller shows who it is, and no intention lets it in.',
  },
  CH1266: {
    title: 'A certificate of an edge is for a name of the control plane',
    hint: 'Remove the host from the Certificate, or the wildcard over it: whoever has the key could pass for the control plane.',
  },
  CH1267: {
    title: 'A certificate of the mesh for an edge could not be issued',
    hint: 'It is asked for again; the log of the control plane says what the authority lacks.',
  },
  CH1268: {
    title: 'A certificate is not for the hosts of a listener',
    hint: 'Clients refuse it: name another Certificate in the listener, or have one made for these hosts.',
  },
  CH1269: {
    title: 'One sidecar stands before several services',
    hint: 'A sidecar shows the name of one service: give each a sidecar and a proxyPort of its own, or set `tls: none` in the Service that may be called in plaintext past it.',
  },
  // CH13xx: registries and object stores
  CH1301: {
    title: 'The registry cannot be reached',
    hint: 'Check its address and that it runs; the last good state is served meanwhile.',
  },
  CH1310: {
    title: 'The registry refused the credential',
    hint: 'Check the token or certificate, that its file can be read, and what it allows; last good is served meanwhile.',
  },
  CH1311: {
    title: 'The registry allows no more connections from this machine',
    hint: 'Raise limits.http_max_conns_per_client of the Consul agent, or watch fewer services.',
  },
  CH1312: {
    title: 'The registry answered with an error',
    hint: 'Look at the log of the registry; last good is served and the request is tried again.',
  },
  CH1313: {
    title: 'The answer of the registry cannot be read',
    hint: 'Check that the address is that of the registry itself; last good is served meanwhile.',
  },
  CH1314: {
    title: 'The registry entry does not have the expected shape',
    hint: 'Register the instance again; the other instances are not affected.',
  },
  CH1315: {
    title: 'The registered instance has no usable address',
    hint: 'Register it with an IP address or a host name.',
  },
  CH1316: {
    title: 'The registered port is not a port',
    hint: 'Register a whole number from 0 to 65535.',
  },
  CH1317: {
    title: 'The registered weight is out of range',
    hint: 'Use a whole number from 1 to 128; the nearest of these is used.',
  },
  CH1318: {
    title: 'The registered sidecar stands before no known instance',
    hint: 'Give its Proxy the DestinationServiceName and DestinationServiceID of an instance on the same node.',
  },
  CH1319: {
    title: 'The kind of the registry entry is not known',
    hint: 'The entry is left out; register services without Kind and their sidecars as connect-proxy.',
  },
  CH1320: {
    title: 'The instance list is not valid YAML',
    hint: 'Fix the syntax at the position shown; the last good instances of the file are served meanwhile.',
  },
  CH1321: {
    title: 'The path of the object is refused',
    hint: 'Use a relative path below the store that ends in .yaml, .yml or .json, without "..".',
  },
  CH1322: {
    title: 'The file cannot be written',
    hint: 'Check that the directory exists, has space and can be written by this user.',
  },
  CH1323: {
    title: 'The instance list does not fit',
    hint: 'Write `service`, and `instances` with address and port; docs/registries.md has every key.',
  },
  CH1324: {
    title: 'Two instances of a service have one id',
    hint: 'Give each instance an id of its own; the first one is served.',
  },
  CH1325: {
    title: 'The intentions of Consul cannot be read',
    hint: 'Give the token `intentions = "read"` for every service (docs/registries.md); what was read last is enforced meanwhile.',
  },
  CH1330: {
    title: 'The value of the key is no instance',
    hint: 'Correct the value of the key shown; docs/registries.md has the form of every layout.',
  },
  CH1331: {
    title: 'The key does not fit the layout',
    hint: 'Move the key away from the prefix, or choose the `layout` that is used there.',
  },
  CH1332: {
    title: 'Keys have no lease',
    hint: 'Attach a lease when registering, so that an instance that dies is forgotten.',
  },
  CH1333: {
    title: 'etcd did not store the object',
    hint: 'Check that etcd has a leader and that the user may write under the prefix.',
  },
  CH1340: {
    title: 'The DNS answer cannot be used',
    hint: 'Correct the record of the name shown; the other records are used.',
  },
  CH1390: {
    title: 'No object store can be written to',
    hint: 'Configure one under `objects` (a directory, a Consul KV prefix or an etcd prefix), or make ./objects, and start again.',
  },
  CH1391: {
    title: 'The object lives in a source that is not written to',
    hint: 'Change it where it lives, or remove it there first.',
  },
  CH1392: { title: 'The object is not there', hint: 'Run `chancery get KIND` to see which objects are.' },
  // CH14xx: generated resources
  CH1401: {
    title: 'A generated resource cannot be encoded',
    hint: 'It is left out and the rest is served; please report this with the objects that cause it.',
  },
  CH1402: {
    title: 'A generated resource breaks a rule of Envoy',
    hint: 'Correct the value that the message names; it is left out and the rest is served.',
  },
  CH1403: {
    title: 'A generated resource names another one that does not exist',
    hint: 'Please report this with the objects that cause it.',
  },
  CH1404: {
    title: 'Proxyless gRPC clients do not do all of it',
    hint: 'Envoys do. Leave it if no gRPC client calls this service without a proxy, or see docs/grpc.md for what clients do.',
  },
  // CH15xx: xDS
  CH1501: {
    title: 'xDS would listen in plaintext',
    hint: 'Leave trust on, set xds.tls.cert and xds.tls.key, or accept plaintext knowingly with --insecure.',
  },
  CH1502: {
    title: 'The xDS address cannot be listened on',
    hint: 'Another program may use the port: choose another one, or 0 for any free one.',
  },
  CH1503: {
    title: 'A TLS file of the xDS port cannot be used',
    hint: 'Name PEM files that this user can read and that belong together in xds.tls.',
  },
  CH1504: {
    title: 'Worker threads cannot share the xDS port here',
    hint: 'This platform cannot share a port between threads (SO_REUSEPORT): leave xds.workers at 0.',
  },
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
  CH1720: {
    title: 'The role does not allow this',
    hint: 'Ask with a token of the role that the message names; `chancery access create --role ROLE` makes one.',
  },
  CH1721: {
    title: 'Too many requests',
    hint: 'Wait for as many seconds as the `Retry-After` header says, and ask less often.',
  },
  CH1722: {
    title: 'The name of the token is taken',
    hint: 'Choose another name, or revoke the token that has it with `chancery access revoke NAME`.',
  },
  CH1723: {
    title: 'The token of the API cannot be made',
    hint: 'Give a name, a role and a time of the form that the message names.',
  },
  CH1724: {
    title: 'The TLS files of the HTTP API cannot be used',
    hint: 'Name PEM files that this user can read and that belong together in http.tls.cert and http.tls.key.',
  },
  CH1725: {
    title: 'There is no such kind of object',
    hint: 'Take one of the kinds that the message names; small letters and the plural will do.',
  },
  // CH18xx: authority, identity and store
  CH1801: {
    title: 'The key of the root certificate is missing',
    hint: 'Put it back from a backup, beside the certificate that is there; a new root is never made in its place.',
  },
  CH1802: {
    title: 'Others can read or change the files of the root',
    hint: 'Give them to the user that runs Chancery: mode 700 for folders, 600 for files.',
  },
  CH1803: {
    title: 'The root that is kept cannot be used',
    hint: 'Put back certificate and key from one backup; a new root is never made in their place.',
  },
  CH1804: {
    title: 'The root certificate is not valid now',
    hint: 'Check the clock; if the root has ended, move it away and give every proxy a new bootstrap.',
  },
  CH1805: {
    title: 'The key-encryption key is missing or malformed',
    hint: 'Give 32 random bytes as base64 or hex: `openssl rand -base64 32` makes one.',
  },
  CH1806: {
    title: 'The key-encryption key is not the one that sealed the root',
    hint: 'Give every replica the key that was in use when the root was made.',
  },
  CH1807: { title: 'The sealed key is damaged', hint: 'Put the value back in the store from a backup.' },
  CH1808: {
    title: 'The sealed key belongs elsewhere',
    hint: 'It was copied from another key, trust domain or generation: put back the value that was sealed for this one.',
  },
  CH1809: {
    title: 'The name cannot stand in a certificate',
    hint: 'Use letters, digits, dot, dash and underscore, in names of the trust domain.',
  },
  CH1810: { title: 'The public key is not a P-256 key', hint: 'Make an ECDSA key on the curve P-256.' },
  CH1811: {
    title: 'The issuer cannot sign',
    hint: 'Give the certificate of an authority with its key (P-256, P-384, P-521, RSA of 2048 bits) and a subject key identifier.',
  },
  CH1812: {
    title: 'The certificate would never be valid',
    hint: 'Check the clock and the life asked for: no certificate outlives its issuer.',
  },
  CH1813: {
    title: 'The folder of the root cannot be used',
    hint: 'Choose a folder that the user of Chancery can write.',
  },
  CH1814: {
    title: 'A rotation of the root goes on already',
    hint: 'See how far it is with `chancery certs list`; `--force` ends the waiting for proxies.',
  },
  CH1815: {
    title: 'The authority does not sign now',
    hint: 'Try again in a moment: it signs once the server has started, and until it stops.',
  },
  CH1816: {
    title: 'The intermediate certificate cannot be had or used',
    hint: 'See why the keeper of the root does not give one; certificates that were issued stay valid until they end.',
  },
  CH1817: {
    title: 'Too many certificates wait to be signed',
    hint: 'Wait until they are done; give the authority more threads if it happens again.',
  },
  CH1818: {
    title: 'The certificate could not be signed',
    hint: 'Look in the log for why the signing thread ended.',
  },
  CH1819: {
    title: 'The journal of the rotation of the root cannot be read',
    hint: 'Put the value back from a backup: without it nobody knows which root signs, and none is guessed.',
  },
  CH1821: {
    title: 'The store cannot be asked',
    hint: 'Check that it runs and that its address, certificates or folder are right, then try again; nothing was taken for absent.',
  },
  CH1822: {
    title: 'The store refused the access',
    hint: 'Check the token, or user and password, that their file can be read, and that they may read and write below the prefix.',
  },
  CH1823: {
    title: 'The key is not one of a store',
    hint: 'Use lower-case letters, digits, `.`, `_`, `-` and `/`: at most 512 bytes, 200 between two `/`.',
  },
  CH1824: { title: 'The value is too large for the store', hint: 'Store at most 128 KiB under one key.' },
  CH1825: {
    title: 'What the store answered cannot be read',
    hint: 'Check that the address is that of the store itself, and that nothing else writes below its prefix or folder.',
  },
  CH1826: {
    title: 'Others can use the folder of the store',
    hint: 'Give it to the user that runs Chancery, with mode 700.',
  },
  CH1831: {
    title: 'The key that signs node tokens cannot be opened',
    hint: 'Give the key-encryption key that sealed it, or put it back in the store from a backup; it is never replaced by itself.',
  },
  CH1832: {
    title: 'The node token cannot be issued',
    hint: 'Name one to 64 services or gateways, the id of one of them, and a life of 1 s to 366 days.',
  },
  CH1833: {
    title: 'The join token cannot be made',
    hint: 'Name one to 64 services or gateways that have usable names, and a time to live of 1 s to 24 h.',
  },
  CH1834: {
    title: 'The credential cannot be revoked',
    hint: 'Give the id that the log names it by: letters, digits, dots, dashes and underscores.',
  },
  CH1835: {
    title: 'Consul cannot be asked about a token',
    hint: 'Check its address and that it runs; until it answers, nobody new is let in by a token of Consul.',
  },
  CH1836: {
    title: 'The keys of a token issuer cannot be used',
    hint: 'Put a JWKS with public keys for signatures there, each with a `kid`; until then tokens of that issuer are refused.',
  },
  CH1837: {
    title: 'A rule for tokens of another issuer cannot be used',
    hint: 'Write subjects whose places {name} are parted by a character that no name has, and algorithms with public keys.',
  },
  CH1841: {
    title: 'The intermediate is not known',
    hint: 'Give the ISSUER of `chancery certs list`, or the whole id as the log names it: 40 hex digits.',
  },
  CH1851: {
    title: 'The join token was not accepted',
    hint: 'A token is good once and for minutes: make another one with `chancery token create`.',
  },
  CH1852: {
    title: 'The control plane did not prove who it is',
    hint: 'Check --xds and --server, and that the token was made by this control plane; nothing was sent to it.',
  },
  CH1853: {
    title: 'Credentials are in the folder already',
    hint: 'Renew them with `chancery renew DIR`, or name another folder with --credentials.',
  },
  CH1854: {
    title: 'The files of the credential cannot be used',
    hint: 'Check that this user may read and write the folder, and that nobody else may.',
  },
  CH1855: {
    title: 'The credential was not accepted',
    hint: 'It has ended or was revoked: join again with a new token.',
  },
  CH1856: {
    title: 'No authority is configured',
    hint: 'Start the control plane without --insecure (`xds.insecure`); with certificates in `xds.tls`, write `trust: {}` beside them.',
  },
  CH1857: {
    title: 'A secret would travel in plaintext',
    hint: 'Use https, or a loopback address.',
  },
  CH1858: {
    title: 'Too many failed attempts to join or renew',
    hint: 'Wait a minute and try again.',
  },
  CH1859: {
    title: 'Trust and insecure exclude each other',
    hint: 'Leave one of both away: `xds.insecure` (--insecure, --xds-insecure, CHANCERY_XDS_INSECURE) for a mesh with mutual TLS, or the section `trust` for one in plaintext. For the HTTP API alone to speak plaintext beyond loopback say --http-insecure.',
  },
  CH1860: {
    title: 'The bootstrap would have no credential',
    hint: 'Make a token with `chancery token create` where the control plane runs, and give it to `chancery bootstrap` with --join. Only for a control plane that was started with --insecure say --insecure.',
  },
  CH1861: {
    title: 'Prometheus cannot be asked',
    hint: 'Check the address given with --prometheus (or CHANCERY_PROMETHEUS), and that it can be reached from here.',
  },
  CH1862: {
    title: 'What Prometheus answered cannot be used',
    hint: 'Check that it is a Prometheus; it has to answer the query whole, for nothing is concluded from a part.',
  },
  CH1863: {
    title: 'A former root was put back',
    hint: 'Put back the newest copy of where the root is kept; what else can be done stands in the message.',
  },
  CH1864: {
    title: 'The store of trust was lost',
    hint: 'Put it back from a backup; what else can be done stands in the message.',
  },
  CH1869: {
    title: 'The key that seals cannot be used',
    hint: 'Give it back to its owner with mode 600, or restore it from a backup: what it sealed opens with no other.',
  },
  CH1871: {
    title: 'What an authority outside signed cannot be used',
    hint: 'See docs/authorities.md for what it has to allow; nothing that it gave is used, and certificates that were issued stay valid until they end.',
  },
  CH1873: {
    title: 'The authority outside cannot be asked now',
    hint: 'Look whether it runs and can be reached; it is asked again by itself, and certificates that were issued stay valid until they end.',
  },
  CH1874: {
    title: 'The authority outside refused',
    hint: 'Allow what docs/authorities.md names: its words say what is missing.',
  },
  CH1875: {
    title: 'What the authority outside answered cannot be used',
    hint: 'Check that the address is that of the authority itself, and that its chain ends at a root.',
  },
  CH1876: {
    title: 'The credential for the authority outside cannot be used',
    hint: 'Put it where the configuration says, readable by the user that runs Chancery and by nobody else.',
  },
  CH1877: {
    title: 'The authority outside did not prove who it is',
    hint: 'Check the address, and the authority file or fingerprint in the configuration; no credential was sent.',
  },
  CH1878: {
    title: 'The authority outside signs under a root that proxies do not know yet',
    hint: 'Wait: proxies are being told of the root, and the intermediate that is there signs until then.',
  },
  CH1881: {
    title: 'The files of the given authority cannot be used',
    hint: 'Put certificate, key and roots there as PEM, that belong together and that nobody else can read; none is made in their place.',
  },
  CH1882: {
    title: 'The given authority cannot sign for the mesh',
    hint: 'Have its keeper give one that may have an authority below it (path length 1 or none), for this trust domain or for none.',
  },
  CH1883: {
    title: 'The roots beside the given authority cannot be used',
    hint: 'Put the self-signed roots that are valid now there, as PEM, and no other certificates.',
  },
  CH1884: {
    title: 'The root is rotated elsewhere',
    hint: 'Have its keeper make another one; the control plane takes it up by itself.',
  },
  CH1885: {
    title: "Consul's Connect does not answer",
    hint: 'Check that the agent runs, that Connect is enabled, and its address; certificates that were issued stay valid until they end.',
  },
  CH1886: {
    title: "Consul's Connect refused the token",
    hint: 'Give the token service:write for every service of the mesh, and for chancery-gateway-NAME of every gateway.',
  },
  CH1887: {
    title: "What Consul's Connect gave cannot be used",
    hint: 'Check trust.connect.datacenter, and that the address is that of the agent itself; what was there before stays in use.',
  },
  CH1888: {
    title: 'Another root is in use already',
    hint: 'Have `trust.root` name the same place on every replica, or put the root back from a backup.',
  },
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;
