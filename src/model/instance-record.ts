// One instance as a user or a registration script writes it: in an instance list (files) or as the JSON of one key (etcd).
// It must not know where the record lies. Invariant: a record that passes the schema always gives an Instance.
import { z } from 'zod';
import type { Instance } from './instance.ts';

const port = z.int().min(1).max(65_535);
const hostName = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;
const ipv6 = z.ipv6();
const address = z
  .string()
  .max(255)
  .transform((text) => text.replace(/^\[(.*)\]$/, '$1'))
  .refine(
    (text) => hostName.test(text) || ipv6.safeParse(text).success,
    'an IP address or a host name, without a port',
  );
const label = z.union([z.string(), z.number(), z.boolean()]).transform(String);

/** Every key of an instance record. */
export const instanceRecordSchema = z
  .strictObject({
    id: z.string().min(1).max(512).optional().describe('unique within the service; ADDRESS:PORT if absent'),
    address,
    port: port.optional().describe('absent: the objects say which'),
    health: z.enum(['healthy', 'warning', 'critical']).default('healthy'),
    weight: z.number().min(1).default(1).describe('1 to 128; more counts as 128'),
    metadata: z.record(z.string(), label).default({}),
    tags: z.array(z.string()).default([]),
    region: z.string().default(''),
    zone: z.string().default(''),
    subZone: z.string().default(''),
    proxyAddress: address.optional().describe('where others dial the sidecar; the address if absent'),
    proxyPort: port.optional().describe('a sidecar stands before this instance, on this port'),
    localAddress: address.optional().describe('where the sidecar reaches the application; 127.0.0.1 if absent'),
    localPort: port.optional().describe('likewise; the port if absent'),
  })
  .refine((record) => record.proxyPort !== undefined || record.proxyAddress === undefined, {
    error: 'proxyAddress needs proxyPort',
    path: ['proxyAddress'],
  });

export type InstanceRecord = z.output<typeof instanceRecordSchema>;

/**
 * The Instance of a record.
 * `place` is its source and whatever makes the id unique there, joined by `/`; it becomes the front of the key.
 */
export function instanceOfRecord(record: InstanceRecord, place: string): Instance {
  const own = record.port ?? 0;
  const id = record.id ?? `${record.address}:${own}`;
  const { region, zone, subZone } = record;
  return {
    key: `${place}/${id}`,
    id,
    address: record.address,
    port: own,
    health: record.health,
    weight: Math.min(128, Math.max(1, Math.round(record.weight))),
    metadata: record.metadata,
    tags: record.tags,
    ...(region + zone + subZone === '' ? {} : { locality: { region, zone, subZone } }),
    ...(record.proxyPort === undefined
      ? {}
      : {
          proxy: {
            address: record.proxyAddress ?? record.address,
            port: record.proxyPort,
            localAddress: record.localAddress ?? '127.0.0.1',
            localPort: record.localPort ?? own,
          },
        }),
  };
}

/** One document of an instance list; its entries are checked one by one, so that a mistake costs only its own. */
export const instanceListSchema = z.strictObject({
  service: z.string().regex(/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/, 'a service name'),
  instances: z.array(z.unknown()),
});

export interface RecordFault {
  /** Where, inside the value; of the unknown key itself where that is the fault. */
  readonly path: readonly PropertyKey[];
  /** In words, with the key in quotes. */
  readonly message: string;
}

/** What is wrong with a record or list, one fault per mistake. */
export function recordFaults(error: z.ZodError): readonly RecordFault[] {
  return error.issues.flatMap((issue): RecordFault[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [...path, key], message: `the key "${key}" is not known here` }));
    const words = issue.message.replace(/^Invalid (input|string|option): /, '');
    return [{ path, message: path.length === 0 ? words : `"${path.join('.')}": ${words}` }];
  });
}
