// An edge proxy's listeners.
import type { Provenance } from './provenance.ts';

export interface GatewayListener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https' | 'tcp' | 'tls';
  /** Hosts it admits, `*.x` allowed; empty: all. */
  readonly hosts: readonly string[];
  /** Absent: it ends no TLS. */
  readonly tls?: ListenerTls;
  /** Every request is sent to the same place by https. */
  readonly httpsRedirect?: boolean;
  readonly provenance?: Provenance;
}

export interface ListenerTls {
  /** As the World's `certificates` names it. */
  readonly certificate: string;
  /** Whether clients are asked for a certificate of the mesh. */
  readonly client: 'none' | 'optional' | 'required';
}

export interface Gateway {
  readonly namespace: string;
  readonly name: string;
  readonly listeners: readonly GatewayListener[];
  readonly provenance?: Provenance;
}

/** What a gateway proxy gets where no Gateway object exists. */
export const defaultGatewayListener: GatewayListener = {
  name: 'http',
  address: '127.0.0.1',
  port: 10000,
  protocol: 'http',
  hosts: [],
};
