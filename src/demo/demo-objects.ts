// The objects the demo writes into its folder, for the user to read and edit. Text only.
// Invariant: every rule here has a line among the checks.

export const editedFile = 'routes.yaml';

/** `v2Percent`: the share of version 2 where no rule decides. */
export function routesText(v2Percent: number): string {
  return `# Edit and save this file: every proxy concerned has it in milliseconds.
apiVersion: chancery/v1
kind: Service
metadata: {name: api}
spec:
  subsets:
  - {name: v1, where: {version: v1}}
  - {name: v2, where: {version: v2}}
---
apiVersion: chancery/v1
kind: Route
metadata: {name: demo}
spec:
  hosts: [localhost, 127.0.0.1]
  rules:
  # Beta users and those who ask for it get version 2 ...
  - match:
    - {path: {prefix: /api}, headers: [{name: x-group, exact: beta}]}
    - {path: {prefix: /api}, query: [{name: v, exact: "2"}]}
    to: [{service: api, subset: v2}]
  # ... everyone else by weight.
  - match: [{path: {prefix: /api}}]
    to:
    - {service: api, subset: v1, weight: ${100 - v2Percent}}
    - {service: api, subset: v2, weight: ${v2Percent}}
  - to: [{service: web}]
`;
}

/** The edge proxy's listener. */
export function gatewayText(port: number): string {
  return `apiVersion: chancery/v1
kind: Gateway
metadata: {name: edge}
spec:
  listeners:
  - {name: http, port: ${port}, protocol: http}
`;
}

function seedService(name: string): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  selector:
    app: ${name}
  ports:
  - port: 80
    targetPort: 8080
  clusterIP: None
---
apiVersion: linkerd.io/v1
kind: Service
metadata:
  name: ${name}
spec:
  host: ${name}.service.local
  port: 80
  app: ${name}
`;
}

/** Kubernetes and Linkerd objects, understood as they are. */
export const seedText = `${['user-service', 'order-service'].map(seedService).join('---\n')}---
apiVersion: linkerd.io/v1
kind: Route
metadata:
  name: user-to-order
spec:
  host: user-to-order.service.local
  kind: service
  weight: 100
  protocol: HTTP
  routes:
  - kind: service
    service:
      name: order-service
      port: 80
`;
