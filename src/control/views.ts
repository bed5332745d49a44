// The views: one per distinct profile, shared by every proxy that has it, gone with the last.
// It publishes new Worlds into them and tells each open client which names changed for it. It knows no stream and no protocol.
// Invariant: a published view is whole and never changed in place, but for endpoints: they are one table beside the views,
// which every view reads as it is now, so that an endpoint event touches no view.
import { endsTls } from '../model/check-certificates.ts';
import type { Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import { anyName, type Resource, type ResourceRef, type View } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import type { Translator, ViewContent } from '../translate/contract.ts';
import type { ProxyProfile } from '../translate/profile.ts';
import { canonicalJson, contentHash } from '../util/hash.ts';
import type { EdgeCertificates } from './edge-certificates.ts';
import { identityOf } from './identify.ts';
import type { IssuedCertificate, KeptSecrets, Secrets } from './secrets.ts';

export interface OpenView {
  readonly view: View;
  readonly profile: ProxyProfile;
  readonly problems: readonly Problem[];
  /** Its certificate, where it has one. */
  issued(): IssuedCertificate | undefined;
  /** Follows the proxy to another profile; true when it changed. */
  move(profile: ProxyProfile): boolean;
  close(): void;
}

export interface Views {
  open(profile: ProxyProfile, onChange: (changed: readonly ResourceRef[]) => void): OpenView;
  /** New endpoints at once; call on every World. Returns the names that changed. */
  publishEndpoints(world: World): readonly string[];
  /** Everything but endpoints, for every view in use. A view that cannot be made stays as it is; throws after the others. */
  publishContent(world: World): void;
  /** The contents in use, for problems and status. */
  contents(): Iterable<{
    readonly id: string;
    readonly profile: ProxyProfile;
    readonly content: ViewContent;
    readonly proxies: number;
  }>;
}

interface Entry {
  readonly id: string;
  readonly profile: ProxyProfile;
  content: ViewContent;
  view: View;
  readonly clients: Set<Client>;
  secrets: OwnSecrets | undefined;
  /** Certificates that it shows to clients, as the World names them. */
  edge: readonly string[];
  /** The secrets it has been told of. */
  held: ReadonlyMap<string, Resource>;
}

interface OwnSecrets {
  readonly identity: string;
  readonly kept: KeptSecrets;
}

interface Client {
  entry: Entry;
  readonly handle: OpenView;
  readonly onChange: (changed: readonly ResourceRef[]) => void;
}

const noNames: ReadonlyMap<string, Resource> = new Map();

interface ViewParts {
  readonly content: ViewContent;
  readonly secrets: ReadonlyMap<string, Resource>;
  readonly endpoints: () => ReadonlyMap<string, Resource>;
}

function createView(id: string, { content, secrets, endpoints }: ViewParts): View {
  const of = (type: TypeUrl): ReadonlyMap<string, Resource> => {
    if (type === typeUrls.endpoints) return endpoints();
    return type === typeUrls.secret ? secrets : (content.resources.get(type) ?? noNames);
  };
  const asked = (type: TypeUrl, name: string): Resource | undefined =>
    content.onDemand?.type === type ? content.onDemand.get(name) : undefined;
  return {
    id,
    ...(content.onDemand === undefined ? {} : { onDemand: content.onDemand.type }),
    get: (type, name) => of(type).get(name) ?? asked(type, name),
    names: (type) => of(type).keys(),
  };
}

/** Names whose resource differs between two maps. */
function differing(
  type: TypeUrl,
  before: ReadonlyMap<string, Resource>,
  after: ReadonlyMap<string, Resource>,
): ResourceRef[] {
  if (before === after) return [];
  const changed: ResourceRef[] = [];
  let stayed = 0;
  for (const [name, resource] of after) {
    const old = before.get(name);
    if (old !== undefined) stayed++;
    if (old !== resource && old?.version !== resource.version) changed.push({ type, name });
  }
  if (stayed < before.size) for (const name of before.keys()) if (!after.has(name)) changed.push({ type, name });
  return changed;
}

function contentDiff(before: ViewContent, after: ViewContent): ResourceRef[] {
  if (before === after) return [];
  const types = new Set([...before.resources.keys(), ...after.resources.keys()]);
  const changed = [...types].flatMap((type) =>
    differing(type, before.resources.get(type) ?? noNames, after.resources.get(type) ?? noNames),
  );
  if (before.onDemand !== after.onDemand)
    for (const type of new Set([before.onDemand?.type, after.onDemand?.type]))
      if (type !== undefined) changed.push({ type, name: anyName });
  return changed;
}

/** The certificates that listeners of its own Gateway name, and no other (threat T1). */
function edgeOf(profile: ProxyProfile, { gateways, certificates }: World): readonly string[] {
  if (profile.role !== 'gateway') return [];
  const named = (gateways.get(profile.gateway)?.listeners ?? []).flatMap((listener) =>
    endsTls(listener) && listener.tls !== undefined ? [listener.tls.certificate] : [],
  );
  return [...new Set(named)].filter((name) => certificates.has(name));
}

/** `secrets`: where certificates are issued; absent: views have none. `edge`: what edges show to clients, beside those. */
export function createViews(translator: Translator, first: World, secrets?: Secrets, edge?: EdgeCertificates): Views {
  const entries = new Map<string, Entry>();
  let world = first;
  let endpoints = translator.endpoints(first);
  const currentEndpoints = (): ReadonlyMap<string, Resource> => endpoints;

  function viewOf({ id, content, held }: Pick<Entry, 'id' | 'content' | 'held'>): View {
    return createView(id, { content, secrets: held, endpoints: currentEndpoints });
  }

  /** What the view may have of secrets and is there. */
  function secretsOf({ secrets: own, edge: names }: Entry): ReadonlyMap<string, Resource> {
    const issued = own?.kept.now() ?? noNames;
    if (edge === undefined || names.length === 0) return issued;
    const shown = names.flatMap((name) => edge.secret(name) ?? []);
    return new Map([...issued, ...shown.map((resource) => [resource.name, resource] as const)]);
  }

  /** Another identity, or none, and other certificates, as the World has it now. What changed of the view's secrets. */
  function keepSecrets(entry: Entry): readonly ResourceRef[] {
    if (secrets === undefined) return [];
    entry.edge = edge === undefined ? [] : edgeOf(entry.profile, world);
    const identity = identityOf(entry.profile, world);
    if (identity !== entry.secrets?.identity) {
      entry.secrets?.kept.close();
      entry.secrets = undefined;
      if (identity !== undefined)
        entry.secrets = { identity, kept: secrets.keep(identity, entry.id, () => secretsCame(entry)) };
    }
    return holdSecrets(entry);
  }

  function holdSecrets(entry: Entry): readonly ResourceRef[] {
    const before = entry.held;
    const after = secretsOf(entry);
    const changed = differing(typeUrls.secret, before, after);
    if (changed.length > 0) entry.held = after;
    return changed;
  }

  function secretsCame(entry: Entry): void {
    const changed = holdSecrets(entry);
    if (changed.length === 0) return;
    entry.view = viewOf(entry);
    for (const client of entry.clients) client.onChange(changed);
  }

  edge?.onChange((names) => {
    for (const entry of entries.values()) if (names.some((name) => entry.edge.includes(name))) secretsCame(entry);
  });

  function enter(profile: ProxyProfile): Entry {
    const id = contentHash(canonicalJson(profile)).slice(0, 10);
    let entry = entries.get(id);
    if (entry === undefined) {
      const content = translator.view(world, profile);
      const view = viewOf({ id, content, held: noNames });
      entry = { id, profile, content, view, clients: new Set(), secrets: undefined, edge: [], held: noNames };
      entries.set(id, entry);
      if (keepSecrets(entry).length > 0) entry.view = viewOf(entry);
    }
    return entry;
  }

  function leave(client: Client): void {
    client.entry.clients.delete(client);
    if (client.entry.clients.size > 0) return;
    entries.delete(client.entry.id);
    client.entry.secrets?.kept.close();
  }

  return {
    open(profile, onChange) {
      const client: Client = {
        entry: enter(profile),
        onChange,
        handle: {
          get problems() {
            return client.entry.content.problems;
          },
          get view() {
            return client.entry.view;
          },
          get profile() {
            return client.entry.profile;
          },
          issued: () => client.entry.secrets?.kept.issued(),
          move(next) {
            const entry = enter(next);
            const old = client.entry;
            if (entry === old) return false;
            leave(client);
            client.entry = entry;
            entry.clients.add(client);
            const changed = [
              ...contentDiff(old.content, entry.content),
              ...differing(typeUrls.secret, old.held, entry.held),
            ];
            if (changed.length > 0) onChange(changed);
            return true;
          },
          close: () => leave(client),
        },
      };
      client.entry.clients.add(client);
      return client.handle;
    },
    publishEndpoints(next) {
      const before = endpoints;
      world = next;
      endpoints = translator.endpoints(next);
      return differing(typeUrls.endpoints, before, endpoints).map(({ name }) => name);
    },
    publishContent(next) {
      world = next;
      const told: [Entry, ResourceRef[]][] = [];
      const failures: unknown[] = [];
      for (const entry of entries.values()) {
        let content: ViewContent;
        try {
          content = translator.view(next, entry.profile);
        } catch (error) {
          failures.push(error);
          continue;
        }
        const others = keepSecrets(entry);
        if (content === entry.content && others.length === 0) continue;
        const changed = [...contentDiff(entry.content, content), ...others];
        entry.content = content;
        entry.view = viewOf(entry);
        told.push([entry, changed]);
      }
      for (const [{ clients }, changed] of told)
        if (changed.length > 0) for (const client of clients) client.onChange(changed);
      if (failures.length > 0) throw failures[0];
    },
    *contents() {
      for (const { id, profile, content, clients } of entries.values())
        yield { id, profile, content, proxies: clients.size };
    },
  };
}
