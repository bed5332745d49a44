// Starts a real Vault in development mode on a free loopback port, with a PKI engine, a root, and a token that may sign
// intermediates and nothing else. It keeps everything in memory: stopped, it is paused, so that it comes back as it was.
import { randomUUID } from 'node:crypto';
import { eventually } from './eventually.ts';
import type { VaultForTests } from './fake-vault.ts';
import { freePort } from './free-port.ts';
import { startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

/** As docs/authorities.md has it. */
export const vaultPolicy = 'path "pki/+/sign-intermediate" { capabilities = ["update"] }';

export async function startVault(binary: string): Promise<VaultForTests> {
  const folder = createTempDir('vault');
  const [port, administrator] = [await freePort(), randomUUID()];
  const url = `http://127.0.0.1:${port}`;
  const command = [binary, 'server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${administrator}`] as const;
  const child = await startProcess('vault', [...command, `-dev-listen-address=127.0.0.1:${port}`], {
    env: { ...process.env, HOME: folder.path },
  });
  async function call(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
    const response = await fetch(`${url}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': administrator },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Vault ${method} ${path}: ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text).data ?? JSON.parse(text));
  }
  const roots = 'pki/root';
  const root = { ttl: '8760h', key_type: 'ec', key_bits: 256 };
  const resume = async (): Promise<void> => child.signal('SIGCONT');
  const end = async (): Promise<void> => {
    await resume();
    await child.stop();
    folder.remove();
  };
  try {
    await eventually(
      async () => {
        if (child.exit() !== undefined) throw new Error('Vault ended');
        return (await call('GET', 'sys/health'))['initialized'] === true;
      },
      { deadlineMs: 60_000 },
    );
    await call('POST', 'sys/mounts/pki', { type: 'pki', config: { max_lease_ttl: '87600h' } });
    await call('POST', `${roots}/generate/internal`, { ...root, common_name: 'root-1', issuer_name: 'root-1' });
    await call('POST', 'sys/policies/acl/mesh', { policy: vaultPolicy });
    const made = await fetch(`${url}/v1/auth/token/create`, {
      method: 'POST',
      headers: { 'x-vault-token': administrator },
      body: JSON.stringify({ policies: ['mesh'], no_parent: true }),
    });
    const { auth } = (await made.json()) as { readonly auth: { readonly client_token: string } };
    return {
      ...{ url, token: auth.client_token },
      async addIssuer(name) {
        const given = await call('POST', `${roots}/rotate/internal`, { ...root, common_name: name, issuer_name: name });
        return String(given['issuer_id']);
      },
      async makeDefault(id) {
        await call('POST', 'pki/config/issuers', { default: id });
      },
      async removeIssuer(id) {
        await call('DELETE', `pki/issuer/${id}`);
      },
      issuers: async () => (await call('GET', 'pki/issuers?list=true'))['keys'] as readonly string[],
      async stop() {
        child.signal('SIGSTOP');
      },
      start: resume,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw new Error(`Vault did not get ready; it wrote:\n${child.logs()}`, { cause: error });
  }
}
