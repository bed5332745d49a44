// Certificate objects as they are written: what is refused, where, and what is made of the good ones.
import { describe, expect, it } from 'vitest';
import { worldOf } from '../../support/case-file.ts';

const header = 'certificates: true\nprofile: { role: gateway, gateway: edge }\n---\n';
const object = (spec: string): string =>
  `{ apiVersion: chancery/v1, kind: Certificate, metadata: { name: shop, namespace: prod }, spec: ${spec} }`;
const problemsOf = (text: string): string[] =>
  worldOf(header + text).world.problems.map(({ code, at, path }) => `${code} ${at.line}:${at.column} ${path ?? ''}`);

describe('Certificate', () => {
  it('is files, or issued by the mesh for hosts', () => {
    const { certificates } = worldOf(header + object('{ files: { cert: /a/cert.pem, key: /a/key.pem } }')).world;
    expect(certificates.get('prod/shop')).toMatchObject({
      from: { kind: 'files', cert: '/a/cert.pem', key: '/a/key.pem' },
      provenance: { line: 4 },
    });
    expect(problemsOf(object('{ issuer: mesh, hosts: [a.example] }'))).toEqual([]);
    const issued = worldOf(header + object('{ issuer: mesh, hosts: [A.example, "*.b.example", a.example] }')).world;
    expect(issued.certificates.get('prod/shop')?.from).toEqual({
      kind: 'mesh',
      hosts: ['a.example', '*.b.example'],
    });
  });

  it.each([
    '{}',
    '{ files: { cert: /c, key: /k }, issuer: mesh, hosts: [a.example] }',
    '{ issuer: mesh }',
    '{ files: { cert: /c, key: /k }, hosts: [a.example] }',
    '{ files: { cert: c.pem, key: /k } }',
    '{ files: { cert: /c } }',
    '{ issuer: mesh, hosts: ["*"] }',
    '{ issuer: acme, hosts: [a.example] }',
  ])('is refused as %s, at its place', (spec) => {
    const found = problemsOf(object(spec));
    expect(found).not.toEqual([]);
    for (const problem of found) expect(problem).toMatch(/^CH10\d\d 4:\d+ spec/);
    expect(worldOf(header + object(spec)).world.certificates.size).toBe(0);
  });

  it('is looked for in the namespace of the Gateway', () => {
    const gateway = (namespace: string): string =>
      `{ apiVersion: chancery/v1, kind: Gateway, metadata: { name: edge, namespace: ${namespace} }, spec: { listeners: [{ port: 443, protocol: https, tls: { certificate: shop } }] } }`;
    const good = object('{ files: { cert: /a/cert.pem, key: /a/key.pem } }');
    expect(problemsOf(`${good}\n---\n${gateway('prod')}`)).toEqual([]);
    expect(problemsOf(`${good}\n---\n${gateway('other')}`)).toEqual([
      expect.stringMatching(/^CH1232 6:\d+ spec\.listeners\[0\]\.tls\.certificate$/),
    ]);
  });
});
