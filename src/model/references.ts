// What objects name and what there is: services, subsets, ports, gateways, hosts. Nothing is dropped here; the data
// path answers 503 for what is missing, and the Problem says so. Pure. Invariant: one Problem a mistake, at its place.

import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { didYouMean } from '../util/near-miss.ts';
import { takesFrom } from './endpoint-set.ts';
import type { Gateway } from './gateway.ts';
import type { Instance } from './instance.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem, type ProblemOptions } from './problem.ts';
import type { Provenance } from './provenance.ts';
import type { Destination, Route, Rule } from './route.ts';
import type { Service } from './service.ts';
import type { RegistrySnapshot } from './snapshot.ts';

export interface Referable {
  readonly routes: readonly Route[];
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly services: ReadonlyMap<ServiceId, Service>;
  readonly endpoints: ReadonlyMap<ServiceId, readonly Instance[]>;
  /** Empty: nothing is known about registries, so a missing service is only a warning. */
  readonly registries: readonly Pick<RegistrySnapshot, 'source' | 'kind'>[];
}

interface Finding {
  readonly code: ErrorCodeName;
  readonly at: Provenance;
  readonly message: string;
  readonly path?: string | undefined;
  readonly near?: string;
  readonly severity?: ProblemOptions['severity'];
}

function problem({ code, at, message, path = '', near = '', severity = 'warning' }: Finding): Problem {
  return createProblem(code, at, message, { severity, path, hint: `${errorCodes[code].hint}${near}` });
}

export function checkReferences(input: Referable): readonly Problem[] {
  const problems: Problem[] = [];
  const hollow = new Set<ServiceId>();
  const checking: Checking = { input, problems, hollow, guess: guesser(input.services) };
  for (const service of input.services.values()) checkService(service, checking);
  for (const route of input.routes) {
    checkGateways(route, input, problems);
    for (const rule of route.rules) checkRule(rule, checking);
  }
  return problems;
}

interface Checking {
  readonly input: Referable;
  readonly problems: Problem[];
  /** Services without instances that were already named. */
  readonly hollow: Set<ServiceId>;
  /** ` Did you mean ...` for the name of a service, or nothing. */
  readonly guess: (name: string) => string;
}

/** Guessing costs a comparison with every service, so that only so many names of one check get it. */
const maxGuesses = 32;

function guesser(services: Referable['services']): Checking['guess'] {
  const guesses = new Map<string, string>();
  return (name) => {
    const known = guesses.get(name);
    if (known !== undefined || guesses.size >= maxGuesses) return known ?? '';
    const guess = didYouMean(name, services.keys());
    guesses.set(name, guess);
    return guess;
  };
}

/** Whether what a request is hashed on says where it goes. */
function hashes({ loadBalancer: { policy } }: Service): boolean {
  return policy === 'ring-hash' || policy === 'maglev';
}

function checkService(service: Service, { input, problems, hollow }: Checking): void {
  const [at] = service.provenance;
  const { registries, endpoints } = input;
  const { policy, hashOn } = service.loadBalancer;
  if (at !== undefined && hashOn.length > 0 && !hashes(service)) {
    const message = `hashOn has no effect on load balancing by "${policy}", only by "ring-hash" and "maglev"`;
    problems.push(problem({ code: 'CH1010', at, path: 'spec.loadBalancer.hashOn', message }));
  }
  if (at === undefined || registries.length === 0) return;
  const { sources } = service.from;
  for (const source of sources) {
    if (registries.some((registry) => takesFrom([source], registry))) continue;
    const known = registries.flatMap((registry) => [registry.source, registry.kind]);
    const message = `takes instances from registry "${source}", which is not configured`;
    problems.push(problem({ code: 'CH1103', at, message, near: didYouMean(source, known), severity: 'error' }));
  }
  if (endpoints.has(service.id)) return;
  hollow.add(service.id);
  problems.push(problem({ code: 'CH1212', at, message: 'no instance in any registry' }));
}

function checkRule(rule: Rule, checking: Checking): void {
  const { input, problems, guess } = checking;
  for (const [index, match] of rule.matches.entries()) {
    for (const caller of match.from) {
      if (input.services.has(caller)) continue;
      const path = `spec.rules[${rule.index}].match[${index}].from`;
      const message = `calling service "${caller}" is not known`;
      problems.push(problem({ code: 'CH1207', at: match.provenance, path, message, near: guess(caller) }));
    }
  }
  if (rule.action.kind !== 'forward') return;
  const targets = rule.action.to.flatMap(({ service }) => input.services.get(service) ?? []);
  if (rule.hashOn !== undefined && rule.hashOn.length > 0 && targets.length > 0 && !targets.some(hashes)) {
    const names = [...new Set(targets.map(({ id, loadBalancer }) => `"${id}" balances by "${loadBalancer.policy}"`))];
    const message = `hash of rule "${rule.name}" has no effect: ${names.join(', ')}`;
    const path = `spec.rules[${rule.index}].hash`;
    problems.push(problem({ code: 'CH1010', at: rule.provenance, path, message }));
  }
  for (const destination of rule.action.to) checkDestination(destination, checking);
  for (const { service, subset, provenance: at, path } of rule.action.to) {
    if (subset !== undefined) continue;
    const beside = rule.action.to.find((other) => other.service === service && other.subset !== undefined);
    if (beside === undefined) continue;
    const message = `destination "${service}" without subset means every instance, those of subset "${beside.subset}" too`;
    problems.push(problem({ code: 'CH1210', at, path, message }));
  }
}

function checkDestination(destination: Destination, { input, problems, hollow, guess }: Checking): void {
  const { service: id, subset, port, provenance: at, path } = destination;
  const service = input.services.get(id);
  if (service === undefined) {
    const unsure = input.registries.length === 0;
    const message = unsure ? `backend "${id}" is not among the objects` : `backend "${id}" is in no registry`;
    const near = guess(id);
    problems.push(problem({ code: 'CH1203', at, path, message, near, severity: unsure ? 'warning' : 'error' }));
    return;
  }
  if (subset !== undefined && !service.subsets.some(({ name }) => name === subset)) {
    const known = service.subsets.map(({ name }) => name);
    const message = `service "${id}" has no subset "${subset}"`;
    problems.push(problem({ code: 'CH1204', at, path, message, near: didYouMean(subset, known), severity: 'error' }));
  }
  if (port !== undefined && service.port !== undefined && port !== service.port)
    problems.push(
      problem({ code: 'CH1205', at, path, message: `service "${id}" has port ${service.port}, not ${port}` }),
    );
  if (input.registries.length > 0 && !input.endpoints.has(id) && !hollow.has(id)) {
    hollow.add(id);
    problems.push(problem({ code: 'CH1212', at, path, message: `backend "${id}" has no instances` }));
  }
}

function checkGateways(route: Route, { gateways }: Referable, problems: Problem[]): void {
  // Without any Gateway object every gateway proxy has the default listener, whatever its name.
  if (route.gateways === undefined || gateways.size === 0) return;
  const { provenance: at } = route;
  const named = route.gateways.filter((name) => name !== 'mesh');
  for (const name of named) {
    if (gateways.has(name)) continue;
    const near = didYouMean(name, [...gateways.keys(), 'mesh']);
    problems.push(
      problem({
        code: 'CH1206',
        at,
        path: 'spec.gateways',
        message: `gateway "${name}" is not known`,
        near,
        severity: 'error',
      }),
    );
  }
  if (route.gateways.includes('mesh')) return;
  const listeners = named.flatMap((name) => gateways.get(name)?.listeners ?? []);
  if (listeners.length === 0) return;
  for (const host of route.hosts) {
    if (listeners.some(({ hosts }) => hosts.length === 0 || hosts.some((admitted) => overlaps(admitted, host))))
      continue;
    problems.push(
      problem({
        code: 'CH1209',
        at,
        path: 'spec.hosts',
        message: `no listener of ${named.join(', ')} admits host "${host}"`,
      }),
    );
  }
}

/** Whether some request could be for both; `*` and `*.x` as in Envoy's domains. */
function overlaps(a: string, b: string): boolean {
  if (a === b || a === '*' || b === '*') return true;
  if (a.startsWith('*.') && b.startsWith('*.')) return a.endsWith(b.slice(1)) || b.endsWith(a.slice(1));
  if (a.startsWith('*.')) return b.endsWith(a.slice(1));
  return b.startsWith('*.') && a.endsWith(b.slice(1));
}
