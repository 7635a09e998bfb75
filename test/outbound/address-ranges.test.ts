import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AddressRanges, isPublic } from '../../src/outbound/address-ranges.ts';

describe('addresses that are public', () => {
  const table: readonly (readonly [string, boolean, string])[] = [
    ['8.8.8.8', true, 'a host'],
    ['172.32.0.1', true, 'just after a private range'],
    ['100.128.0.1', true, 'just after the shared range'],
    ['0.0.0.0', false, 'this machine'],
    ['127.0.0.1', false, 'loopback'],
    ['127.255.255.255', false, 'loopback'],
    ['10.0.0.1', false, 'private'],
    ['172.16.0.1', false, 'private'],
    ['172.31.255.255', false, 'private'],
    ['192.168.1.1', false, 'private'],
    ['100.64.0.1', false, 'shared by a provider'],
    ['169.254.169.254', false, 'link-local, where clouds keep secrets'],
    ['192.0.0.8', false, 'protocols'],
    ['192.0.2.1', false, 'documentation'],
    ['198.18.0.1', false, 'benchmarks'],
    ['198.51.100.7', false, 'documentation'],
    ['203.0.113.7', false, 'documentation'],
    ['192.88.99.1', false, '6to4 relays'],
    ['224.0.0.1', false, 'multicast'],
    ['255.255.255.255', false, 'broadcast'],
    ['2a01:4f8::1', true, 'a host'],
    ['2606:4700:4700::1111', true, 'a host'],
    ['::', false, 'this machine'],
    ['::1', false, 'loopback'],
    ['::8.8.8.8', false, 'IPv4-compatible'],
    ['::ffff:8.8.8.8', true, 'mapped, public'],
    ['::ffff:127.0.0.1', false, 'mapped, loopback'],
    ['::ffff:7f00:1', false, 'mapped, loopback, in hexadecimal'],
    ['::ffff:0:127.0.0.1', false, 'translated (SIIT)'],
    ['64:ff9b::8.8.8.8', true, 'NAT64, public'],
    ['64:ff9b::10.0.0.1', false, 'NAT64, private'],
    ['64:ff9b::7f00:1', false, 'NAT64, loopback'],
    ['64:ff9b:1::8.8.8.8', false, 'NAT64 of a local network'],
    ['100::1', false, 'discard'],
    ['2001::1', false, 'Teredo'],
    ['2001:db8::1', false, 'documentation'],
    ['2002:7f00:1::', false, '6to4, loopback'],
    ['2002:808:808::1', false, '6to4'],
    ['3fff::1', false, 'documentation'],
    ['fc00::1', false, 'private'],
    ['fd12:3456::1', false, 'private'],
    ['fe80::1', false, 'link-local'],
    ['fe80::1%eth0', false, 'link-local with a zone'],
    ['fec0::1', false, 'site-local'],
    ['ff02::1', false, 'multicast'],
    ['example.org', false, 'no address'],
    ['', false, 'nothing'],
  ];
  for (const [address, verdict, what] of table) {
    it(`${address || '(empty)'} ${verdict ? 'is' : 'is not'} (${what})`, () => {
      assert.equal(isPublic(address), verdict);
      assert.equal(new AddressRanges([]).mayConnect(address), verdict);
    });
  }

  it('the admin’s ranges are let through in every form, and nothing else', () => {
    const ranges = new AddressRanges(['10.1.0.0/16', '192.168.1.5', 'fd00::/8']);
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', '192.168.1.5', 'fd00::7', '8.8.8.8']) {
      assert.equal(ranges.mayConnect(address), true, address);
    }
    for (const address of ['10.2.0.1', '::ffff:10.2.0.1', '192.168.1.6', 'fc00::1', '127.0.0.1']) {
      assert.equal(ranges.mayConnect(address), false, address);
    }
    assert.equal(ranges.isAllowed('8.8.8.8'), false);
  });
});
