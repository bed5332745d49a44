// DER as PEM text. Pure. Invariant: lines of 64 characters and a line break at the end, so that texts can be joined.

/** Certificates in their order, or other things of one label. */
export function pemText(ders: readonly Uint8Array[], label = 'CERTIFICATE'): string {
  return ders
    .map((der) => {
      const body = Buffer.from(der)
        .toString('base64')
        .replaceAll(/.{64}(?=.)/g, '$&\n');
      return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
    })
    .join('');
}
