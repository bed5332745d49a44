// What a join token grants, and how that lies in the store. Pure. It must not know secrets, only their hashes.
// Invariant: a record that is not whole grants nothing.
import type { ServiceId } from '../model/names.ts';
import { type Holdings, maxNames } from './holdings.ts';
import { decodeRecord, encodeRecord, moment, textList } from './stored-json.ts';

export interface JoinGrant extends Holdings {
  /** Names the token in logs and lists. */
  readonly id: string;
  readonly nodeId?: string;
  /** Wall-clock milliseconds. */
  readonly expiresAtMs: number;
}

export interface StoredGrant extends JoinGrant {
  /** Hex SHA-256. */
  readonly secretHash: string;
}

export function encodeGrant({ services, gateways, nodeId, expiresAtMs, secretHash }: StoredGrant): Uint8Array {
  return encodeRecord({ version: 1, services, gateways, nodeId, expiresAtMs, secretHash });
}

export function decodeGrant(id: string, bytes: Uint8Array): StoredGrant | undefined {
  const record = decodeRecord(bytes);
  if (record?.['version'] !== 1) return undefined;
  const { secretHash, nodeId } = record;
  const services = textList(record['services'], maxNames);
  const gateways = textList(record['gateways'], maxNames);
  const expiresAtMs = moment(record['expiresAtMs']);
  if (services === undefined || gateways === undefined || expiresAtMs === undefined) return undefined;
  if (typeof secretHash !== 'string' || !/^[0-9a-f]{64}$/.test(secretHash)) return undefined;
  if (nodeId !== undefined && typeof nodeId !== 'string') return undefined;
  const bound = nodeId === undefined ? {} : { nodeId };
  return { id, services: services as readonly ServiceId[], gateways, ...bound, expiresAtMs, secretHash };
}
