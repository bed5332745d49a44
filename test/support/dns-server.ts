// A name server for tests: A, AAAA and SRV records over UDP, and the ways a real one fails.
import { createSocket, type Socket } from 'node:dgram';

export type DnsMode = 'answer' | 'servfail' | 'silent' | 'refuse';

export interface DnsZone {
  /** IPv4 addresses by name. */
  readonly a: Map<string, readonly string[]>;
  /** IPv6 addresses by name, written out in eight groups. */
  readonly aaaa: Map<string, readonly string[]>;
  readonly srv: Map<string, readonly { priority: number; weight: number; port: number; target: string }[]>;
  /** Names that exist without records: empty answers instead of NXDOMAIN. */
  readonly names: Set<string>;
}

export interface DnsServer {
  readonly zone: DnsZone;
  readonly address: string;
  /** How it behaves, for every name or for some. */
  mode: (name: string) => DnsMode;
  down(): Promise<void>;
  up(): Promise<void>;
  /** Questions seen, as `TYPE name`. */
  readonly asked: string[];
}

const types: Readonly<Record<number, 'A' | 'AAAA' | 'SRV'>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };

function encodeName(name: string): Buffer {
  const parts = name.split('.').filter((part) => part !== '');
  return Buffer.concat([
    ...parts.map((part) => Buffer.concat([Buffer.of(part.length), Buffer.from(part)])),
    Buffer.of(0),
  ]);
}

function u16(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => {
    buffer.writeUInt16BE(value, index * 2);
  });
  return buffer;
}

/** Name, type number and end of the question of a query. */
function question(query: Buffer): { name: string; type: number; end: number } {
  const parts: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    parts.push(query.subarray(at + 1, at + 1 + length).toString());
    at += 1 + length;
  }
  return { name: parts.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function records(zone: DnsZone, name: string, type: number): readonly Buffer[] {
  switch (types[type]) {
    case 'A':
      return (zone.a.get(name) ?? []).map((address) => Buffer.from(address.split('.').map(Number)));
    case 'AAAA':
      return (zone.aaaa.get(name) ?? []).map((address) =>
        u16(...address.split(':').map((group) => Number.parseInt(group, 16))),
      );
    case 'SRV':
      return (zone.srv.get(name) ?? []).map(({ priority, weight, port, target }) =>
        Buffer.concat([u16(priority, weight, port), encodeName(target)]),
      );
    default:
      return [];
  }
}

/** `ttl` in seconds for every record. */
export async function startDnsServer({ ttl = 30 }: { readonly ttl?: number } = {}): Promise<DnsServer> {
  const zone: DnsZone = { a: new Map(), aaaa: new Map(), srv: new Map(), names: new Set() };
  const asked: string[] = [];
  let socket: Socket | undefined;
  let port = 0;

  function reply(query: Buffer, from: { address: string; port: number }): void {
    const { name, type, end } = question(query);
    asked.push(`${types[type] ?? type} ${name}`);
    const mode = server.mode(name);
    if (mode === 'silent') return;
    const data = mode === 'answer' ? records(zone, name, type) : [];
    const exists = [zone.a, zone.aaaa, zone.srv].some((map) => map.has(name)) || zone.names.has(name);
    const code = mode === 'servfail' ? 2 : mode === 'refuse' ? 5 : exists ? 0 : 3;
    const answers = data.map((rdata) => {
      const time = Buffer.alloc(4);
      time.writeUInt32BE(ttl);
      return Buffer.concat([u16(0xc00c, type, 1), time, u16(rdata.length), rdata]);
    });
    const head = Buffer.concat([query.subarray(0, 2), u16(0x8580 | code, 1, answers.length, 0, 0)]);
    socket?.send(Buffer.concat([head, query.subarray(12, end), ...answers]), from.port, from.address);
  }

  async function up(): Promise<void> {
    const next = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject);
      next.bind(port, '127.0.0.1', resolve);
    });
    next.on('message', reply);
    socket = next;
    port = next.address().port;
  }

  const server: DnsServer = {
    zone,
    asked,
    mode: () => 'answer',
    get address() {
      return `127.0.0.1:${port}`;
    },
    up,
    async down() {
      const closing = socket;
      socket = undefined;
      if (closing !== undefined) await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
  await up();
  return server;
}
