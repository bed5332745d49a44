// DER as PEM (RFC 7468), and PEM blocks in a text. Pure.

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

/** The certificates in a text, each a block of PEM, in their order. What stands between them is passed over; nothing is decoded. */
export function certificateBlocks(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
