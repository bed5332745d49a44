// Trust over the API: join tokens, revocations, the authorities and the certificates in use; and, for nodes, join and renew.
// It decides nothing. Invariant: a join token leaves in the answer to its making and nowhere else; nothing of a key is here.
import { z } from 'zod';
import type { Authority } from '../ca/contract.ts';
import type { RotationAdvance, RotationRecord } from '../ca/rotation.ts';
import type { Rotation } from '../ca/rotation-driver.ts';
import { type DoorAnswer, type EnrolmentDoors, enrolmentPaths } from '../control/enrolment-doors.ts';
import type { ProxyCertificate } from '../control/proxy-certificate.ts';
import type { Families } from '../identity/families.ts';
import type { JoinTokens } from '../identity/join-token.ts';
import type { Revocations } from '../identity/revocations.ts';
import { defined } from '../model/defined.ts';
import { revocableKinds } from '../model/revocable.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import { isLoopbackPeer } from '../util/host-port.ts';
import { Fault } from './fault.ts';
import { changed, jsonReply, type Reply, type Request, type RouteLine, read } from './route.ts';

/** What the routes need of a control plane that is an authority. */
export interface TrustParts {
  readonly joinTokens: Pick<JoinTokens, 'create' | 'list' | 'revoke'>;
  readonly revocations: Pick<Revocations, 'revoke' | 'list'>;
  readonly families: Pick<Families, 'of'>;
  /** Of nodes and of the xDS port. */
  readonly authority: Pick<Authority, 'roots'>;
  /** Of the certificates that proxies show: the same, or somebody else. */
  readonly mesh: Pick<Authority, 'roots'>;
  /** `how`: who rotates the root, where it is not us. */
  readonly rotation: Pick<Rotation, 'begin' | 'force' | 'condemn' | 'state'> & {
    readonly how?: string;
    /** As the journal has it now; undefined where there is none. */
    readonly look?: () => Promise<RotationRecord | undefined>;
  };
  readonly doors: EnrolmentDoors;
  /** The certificates that connected proxies show. */
  readonly certificates: () => readonly ProxyCertificate[];
}

const base = '/api/v1/trust';
const dayMs = 86_400_000;
const name = z.string().min(1).max(512);
const names = z.array(name).max(64).default([]);
const createBody = z.strictObject({
  services: names,
  gateways: names,
  node: name.optional(),
  ttlSeconds: z.number().min(1).max(86_400).optional(),
});
const idParams = z.strictObject({ id: name });
const revokeBody = z.strictObject({
  kind: z.enum(revocableKinds),
  id: name,
  /** Default: for longer than any credential of ours lives. */
  days: z.number().positive().max(3_660).default(400),
  /** This one, and not what was renewed from it. */
  only: z.boolean().default(false),
});
const rotationBody = z.strictObject({ force: z.boolean().default(false), compromised: z.boolean().default(false) });
const forNodes = { contentTypes: ['application/json'] } as const;

/** `parts` undefined: no authority is configured, and every line says so. */
export function createTrustRoutes(parts: TrustParts | undefined, clock: Clock): readonly RouteLine[] {
  const trust = (): TrustParts => {
    if (parts === undefined) throw new Fault(409, 'CH1856', 'this control plane issues no credentials');
    return parts;
  };
  return [
    {
      method: 'POST',
      path: `${base}/join-tokens`,
      summary: 'Make a one-time token with which a node gets its first credential; it is told this once',
      access: 'operating',
      body: {
        contentTypes: ['application/json'],
        description: '{"services": ["web"], "gateways": [], "node": "web-1", "ttlSeconds": 600}; node and ttl optional',
      },
      handle: async ({ body }) => {
        const { joinTokens, authority } = trust();
        const { services, gateways, node, ttlSeconds } = read(createBody, parsed(body));
        const pin = authority.roots().roots[0]?.keyId;
        const ttlMs = ttlSeconds === undefined ? undefined : ttlSeconds * 1000;
        const { text, ...made } = await joinTokens.create(defined({ services, gateways, nodeId: node, ttlMs, pin }));
        return changed({ joinToken: made.id, ...defined({ services, gateways, node }) }, { token: text, ...made }, 201);
      },
    },
    {
      method: 'GET',
      path: `${base}/join-tokens`,
      summary: 'Join tokens that nobody has used yet, without their secret',
      access: 'reading',
      handle: async () => jsonReply(await trust().joinTokens.list()),
    },
    {
      method: 'DELETE',
      path: `${base}/join-tokens/:id`,
      summary: 'Make a join token worth nothing',
      access: 'operating',
      params: idParams,
      handle: async ({ params }) => {
        const { id } = read(idParams, params);
        if (!(await trust().joinTokens.revoke(id)))
          throw new Fault(404, 'CH1703', 'there is no join token of this id', {
            hint: 'Run `chancery token list` to see those that wait; what a node got for one is revoked by `chancery revoke`.',
          });
        return changed({ joinToken: id }, { id, result: 'revoked' });
      },
    },
    {
      method: 'GET',
      path: `${base}/certificates`,
      summary: 'The roots, the first of which signs, and the certificates that proxies have',
      access: 'reading',
      handle: async () => {
        const { mesh, certificates } = trust();
        const { generation, roots } = mesh.roots();
        const shown = roots.map(({ keyId, notAfterMs }, index) => ({ keyId, notAfterMs, signs: index === 0 }));
        const rotation = await rotationState(trust());
        return jsonReply({ generation, roots: shown, rotation, certificates: certificates() });
      },
    },
    {
      method: 'GET',
      path: `${base}/rotation`,
      summary: 'How far another root is in taking the place of the one that signs, and who is waited for',
      access: 'reading',
      handle: async () => jsonReply(await rotationState(trust())),
    },
    {
      method: 'POST',
      path: `${base}/rotation`,
      summary: 'Have another root take the place of the one that signs',
      access: 'operating',
      body: {
        contentTypes: ['application/json'],
        description:
          '{}, or {"force": true}: wait for no proxy to confirm, also where a rotation goes on already; or {"compromised": true}: wait for connected proxies only, and let no time pass',
      },
      handle: async ({ body }) => {
        const parts = trust();
        const { force, compromised } = read(rotationBody, parsed(body));
        const condemned = compromised && (await parts.rotation.condemn());
        const begun = !compromised && (await parts.rotation.begin());
        const forced = force && (await parts.rotation.force());
        if (!begun && !forced && !condemned)
          throw new Fault(409, 'CH1814', 'a rotation goes on, and waits for no proxy to be told');
        const done = {
          ...(begun ? { begun } : {}),
          ...(condemned ? { condemned } : {}),
          ...(forced ? { forced } : {}),
        };
        return changed(done, done, 202);
      },
    },
    {
      method: 'GET',
      path: `${base}/revocations`,
      summary: 'Credentials that hold no more',
      access: 'reading',
      handle: () => jsonReply(trust().revocations.list()),
    },
    {
      method: 'POST',
      path: `${base}/revocations`,
      summary: 'Have a credential hold no more, and its streams end within a minute',
      access: 'operating',
      body: {
        contentTypes: ['application/json'],
        description: `{"kind": "token", "id": "..."}: as the log names it, and all of its family, unless "only": true; kinds: ${revocableKinds.join(', ')}`,
      },
      handle: async ({ body }) => {
        const { kind, id, days, only } = read(revokeBody, parsed(body));
        const { revocations, families } = trust();
        const untilMs = clock.wall() + days * dayMs;
        await revocations.revoke(kind, id, untilMs);
        // Whoever stole one had it renewed.
        const renewable = !only && (kind === 'token' || kind === 'certificate');
        const family = renewable ? { family: await families.of(kind, id) } : {};
        if (family.family !== undefined) await revocations.revoke('family', family.family, untilMs);
        return changed({ credential: kind, id, days }, { kind, id, ...family, result: 'revoked' }, 201);
      },
    },
    {
      method: 'GET',
      path: enrolmentPaths.roots,
      summary: 'The authorities of the mesh, as PEM',
      access: { open: 'they are public, and whoever joins needs them before it has anything else' },
      handle: () => asReply(trust().doors.roots()),
    },
    {
      method: 'POST',
      path: enrolmentPaths.join,
      summary: 'Turn a join token into the credential of a node',
      access: { open: 'the join token in the body is the credential' },
      body: {
        ...forNodes,
        description: '{"token": "cj1...", "publicKey": base64 of a P-256 key as SPKI DER, optional}',
      },
      handle: async ({ body, address }) => asReply(await trust().doors.join(body, address)),
    },
    {
      method: 'POST',
      path: enrolmentPaths.renew,
      summary: 'Turn the current credential of a node into the next one',
      access: { open: 'the node token in `authorization` is the credential' },
      body: { ...forNodes, description: '{}, or {"publicKey": base64 of a P-256 key as SPKI DER}' },
      handle: async (request) => asReply(await trust().doors.renew(request.body, credentialsOf(request))),
    },
  ];
}

/**
 * As the journal has it now; `waitsFor` as this replica saw it last, and `unread` where the journal cannot be read.
 * `former`: certificates here that chain to another root than the one that signs.
 */
async function rotationState({ rotation, mesh, certificates }: TrustParts): Promise<object> {
  const signs = mesh.roots().roots[0]?.keyId;
  const former = certificates().filter(({ root }) => root !== signs).length;
  if (rotation.how !== undefined) return { phase: 'elsewhere', how: rotation.how, former };
  const looked = await (rotation.look?.() ?? Promise.resolve(undefined)).then(
    (record) => ({ record, unread: {} }),
    (error: unknown) => ({ record: undefined, unread: { unread: errorText(error) } }),
  );
  const seen = rotation.state();
  const record = looked.record ?? seen?.record;
  if (record === undefined) return { phase: 'unknown', ...looked.unread };
  const { phase, sinceMs } = record;
  const waits = seen?.record.epoch === record.epoch ? waitsOf(seen.advance) : {};
  const forced = 'forced' in record && record.forced ? { forced: true } : {};
  const condemned = record.compromised ? { compromised: true } : {};
  return { phase, sinceMs, ...waits, ...forced, ...condemned, former, ...looked.unread };
}

function waitsOf(advance: RotationAdvance): object {
  if (advance.kind === 'go') return {};
  return { waitsFor: advance.for, ...(advance.for === 'time' ? { untilMs: advance.untilMs } : {}) };
}

/** What does not leave the machine needs no TLS. */
function credentialsOf({ tls, authorization, address }: Request) {
  return { tls: tls || isLoopbackPeer(address), authorization, consulToken: [], address };
}

function asReply({ status, contentType, body }: DoorAnswer): Reply {
  return { status, contentType, body };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Fault(400, 'CH1704', 'the body is not JSON');
  }
}
