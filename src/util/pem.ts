// DER as PEM (RFC 7468). Pure.

/** One block for each, lines of 64 characters. */
export function pemText(
  label: 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'PRIVATE KEY',
  ders: readonly Uint8Array[],
): string {
  return ders
    .map((der) => {
      const body = Buffer.from(der)
        .toString('base64')
        .replaceAll(/.{64}(?!$)/g, '$&\n');
      return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
    })
    .join('');
}
