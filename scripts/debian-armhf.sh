#!/bin/sh
# Unpacks Debian's Node for 32-bit ARM and what it needs (33 MB to fetch) below node_modules/.cache: there the tests look for it
# to try hearth-linux-armv7 out, under qemu-arm-static. apt works in a folder of its own and changes nothing of this system.
set -eu
cd "$(dirname "$0")/.."
target=$PWD/node_modules/.cache/hearth-build/debian-armhf
# The first release whose Node is new enough.
release=forky
[ ! -e "$target/usr/bin/node" ] || exit 0
work=$target.new
rm -rf "$work"
mkdir -p "$work/root" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/etc/preferences.d" "$work/etc/apt.conf.d"
touch "$work/state/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [arch=armhf signed-by=$keyring] http://deb.debian.org/debian $release main" >"$work/etc/sources.list"
cat >"$work/apt.conf" <<CONF
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Dir::Etc "$work/etc";
APT::Architecture "armhf";
APT::Architectures { "armhf"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
// Mirrors of a release in the making may lag.
Acquire::Check-Valid-Until "false";
Dpkg::Use-Pty "false";
CONF
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
apt-get install -qq --download-only --yes nodejs >/dev/null
for package in "$work"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$work/root"; done
# Where the loader is looked for.
ln -sfn usr/lib "$work/root/lib"
rm -rf "$target"
mv "$work/root" "$target"
rm -rf "$work"
