// As much of etcd as the mirror talks to, in memory, with its faults at the test's command.
import { EventEmitter } from 'node:events';
import type { Etcd3 } from 'etcd3';

interface Stored {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease: string;
}

interface FakeEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly kv: Stored;
}

interface Create {
  readonly create_request: { readonly start_revision: string };
}

class FakeStream extends EventEmitter {
  readonly store: FakeEtcd;
  start = 0;
  constructor(store: FakeEtcd) {
    super();
    this.store = store;
  }
  write({ create_request }: Create): void {
    this.start = Number(create_request.start_revision);
    queueMicrotask(() => this.store.created(this));
  }
  cancel(): void {
    this.store.streams.delete(this);
  }
}

export class FakeEtcd {
  revision = 1;
  compactedAt = 0;
  /** Every call fails. */
  down = false;
  /** The watch tells nothing: events are lost. */
  deaf = false;
  lists = 0;
  clients = 0;
  readonly values = new Map<string, Stored>();
  readonly history: { readonly revision: number; readonly events: readonly FakeEvent[] }[] = [];
  readonly streams = new Set<FakeStream>();

  readonly open = async (): Promise<Etcd3> => {
    this.clients++;
    const range = async (request: { key: Buffer; count_only?: boolean }) => {
      if (this.down) throw new Error('no connection');
      if (request.count_only !== true) this.lists++;
      const kvs = [...this.values.values()].sort((a, b) => Buffer.compare(a.key, b.key));
      return { header: { revision: String(this.revision) }, kvs, more: false };
    };
    const watch = async () => {
      if (this.down) throw new Error('no connection');
      const stream = new FakeStream(this);
      this.streams.add(stream);
      return stream;
    };
    return {
      kv: { range },
      watchClient: { watch },
      close: () => {
        this.clients--;
      },
    } as unknown as Etcd3;
  };

  created(stream: FakeStream): void {
    const head = { header: { revision: String(this.revision) }, events: [], canceled: false, fragment: false };
    if (stream.start <= this.compactedAt) {
      stream.emit('data', { ...head, created: false, canceled: true, compact_revision: String(this.compactedAt + 1) });
      return;
    }
    stream.emit('data', { ...head, created: true, compact_revision: '0', cancel_reason: '' });
    for (const { revision, events } of this.history) if (revision >= stream.start) this.send(stream, events);
  }

  /** One revision of changes; `undefined` deletes. */
  change(changes: Readonly<Record<string, string | undefined>>, lease = '0'): void {
    this.revision++;
    const events: FakeEvent[] = [];
    for (const [key, text] of Object.entries(changes)) {
      const old = this.values.get(key);
      const kv: Stored = {
        key: Buffer.from(key),
        value: Buffer.from(text ?? ''),
        create_revision: old?.create_revision ?? String(this.revision),
        mod_revision: String(this.revision),
        lease,
      };
      if (text === undefined) this.values.delete(key);
      else this.values.set(key, kv);
      events.push({ type: text === undefined ? 'DELETE' : 'PUT', kv });
    }
    this.history.push({ revision: this.revision, events });
    if (!this.deaf) for (const stream of this.streams) this.send(stream, events);
  }

  /** In `pieces` fragments. */
  send(stream: FakeStream, events: readonly FakeEvent[], pieces = 1): void {
    const size = Math.ceil(events.length / pieces);
    for (let at = 0; at < events.length; at += size)
      stream.emit('data', {
        header: { revision: String(this.revision + 100) },
        created: false,
        canceled: false,
        compact_revision: '0',
        fragment: at + size < events.length,
        events: events.slice(at, at + size),
      });
  }

  /** Every stream breaks. */
  cut(): void {
    for (const stream of [...this.streams]) stream.emit('error', new Error('connection lost'));
  }
}
