#!/usr/bin/env bash
# Debian packages for tests and benchmarks, unpacked privately under one folder and ready to run. Nothing is installed:
# no dpkg database, system folder, user or service is touched; neither root nor an earlier apt-get update is needed.
#
#   debian.sh unpack DIR SUITE PACKAGE…   download (verified) and unpack the packages and all they need into DIR, once
#
# The archive is the one this machine's apt is configured with (or DEBIAN_MIRROR=URI). Every program becomes a wrapper
# that starts the real one with the unpacked glibc's own loader and libraries, so a newer or older suite than the host's works,
# and DIR may be moved and shared. Prints the packages named, with versions. DIR/.complete says that it is whole.
set -euo pipefail
umask 022
export LC_ALL=C
unset APT_CONFIG

say() { printf 'debian.sh: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

[ $# -ge 4 ] && [ "$1" = unpack ] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
dir=$(realpath -m -- "$2") suite=$3; shift 3
want=("$@")
# what is printed of apt's output must not name the archive's host
hide() { sed -E 's#(https?|ftp)://[^ /]+#<archive>#g'; }
[ ! -f "$dir/.complete" ] || { cat "$dir/.complete"; exit; }

mirror() { # the archive that apt already takes this machine's own Debian release from
  [ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR"; return; }
  local id='' codename=''
  eval "$(sed -n 's/^ID=/id=/p; s/^VERSION_CODENAME=/codename=/p' /etc/os-release 2>/dev/null)"
  [ "$id" = debian ] || die "this is not Debian but '${id:-unknown}': set DEBIAN_MIRROR to a Debian archive (and have debian-archive-keyring)"
  # 'update --print-uris' only reads the configuration: it needs no root, no network, no earlier update
  apt-get update --print-uris 2>/dev/null | sed -n "s#^'\(.*\)/dists/$codename/InRelease'.*#\1#p" | awk 'NR==1'
}

for tool in apt-get dpkg-deb gpgv tar awk flock; do
  command -v $tool >/dev/null || die "'$tool' is missing: this script needs a Debian machine with apt"
done
uri=$(mirror)
[ -n "$uri" ] || die "apt is configured with no Debian archive here for this release; set DEBIAN_MIRROR to one"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keyring ] || die "$keyring is missing (package debian-archive-keyring): cannot verify what would be downloaded"
mkdir -p "$(dirname "$dir")"
exec 8>"$dir.lock"
flock -w 600 8 || die "another debian.sh has been unpacking $dir for 10 minutes"
[ ! -f "$dir/.complete" ] || { cat "$dir/.complete"; exit; }

say "downloading ${want[*]} from Debian $suite (once) ..."
t=$dir.tmp.$$
rm -rf "$dir".tmp.*; mkdir -p "$t/apt/lists/partial" "$t/apt/cache/archives/partial" "$t/debs" "$t/root"
trap 'rm -rf "$t"' EXIT
: >"$t/apt/status"
echo "deb [signed-by=$keyring] $uri $suite main" >"$t/apt/sources.list"
cat >"$t/apt/conf" <<CONF
Dir::State "$t/apt";
Dir::State::Lists "$t/apt/lists";
Dir::State::status "$t/apt/status";
Dir::Cache "$t/apt/cache";
Dir::Log "$t/apt";
Dir::Etc::SourceList "$t/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Trusted "/dev/null";
Dir::Etc::TrustedParts "/dev/null";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
APT::Architectures { "$(dpkg --print-architecture)"; };
Acquire::Languages "none";
Acquire::Retries "3";
CONF
apt_() { APT_CONFIG=$t/apt/conf apt-get -q "$@"; }
apt_ -o APT::Update::Error-Mode=any update >"$t/log" 2>&1 || {
  hide <"$t/log" | tail -n 5 >&2; die "could not read Debian $suite's package list from the archive apt is configured with"; }
# the full closure against an empty machine, less what a test never loads
apt_ -y --print-uris install "${want[@]}" >"$t/uris" 2>"$t/log" || {
  hide <"$t/log" | tail -n 5 >&2; die "Debian $suite has no installable ${want[*]} for $(dpkg --print-architecture)"; }
named=$(printf '%s|' "${want[@]}")
mapfile -t packages < <(awk "/^'/{sub(/_.*/,\"\",\$2); print \$2}" "$t/uris" |
  grep -E "^(${named%|}|lib.*|zlib1g|python3.*|postgresql-.*|redis-.*|lua-.*)\$" |
  grep -vE '^(lib(llvm|z3|perl|gdbm|db5|proc|sem|debconf|pam-(mod|runtime)|c-bin|c-l10n|text-|json-|ipc-|io-)|postgresql-common)')
(cd "$t/debs" && apt_ download "${packages[@]}" >"$t/log" 2>&1) || {
  hide <"$t/log" | tail -n 5 >&2; die "download failed"; }
say "unpacking ${#packages[@]} packages ..."
# suites before trixie have files in /lib as well as in /usr/lib: as on an installed Debian, the first leads to the second
for f in bin sbin lib lib64; do mkdir -p "$t/root/usr/$f"; ln -s "usr/$f" "$t/root/$f"; done
for deb in "$t"/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -xp --no-same-owner --keep-directory-symlink -C "$t/root" || die "could not unpack $(basename "$deb") (disk full?)"
done
rm -rf "$t"/root/usr/share/{locale,man,lintian,gdb,gcc} "$t"/root/usr/lib/postgresql/*/lib/{bitcode,llvmjit*}

ld=$(cd "$t/root/usr/lib" && find . -path './*/ld-linux*.so.[0-9]' | awk 'NR==1') && ld=${ld#./}
[ -n "$ld" ] || die "no dynamic loader in the unpacked libc6 (unsupported architecture?)"
loader=$t/root/usr/lib/$ld

wrap() { # $1 = a program below $t/root/usr; links to one then lead to its wrapper
  local bin=${1%/*} name=${1##*/} up
  [ ! -L "$1" ] && [ -f "$1" ] && [ "$(head -c 4 "$1" | od -An -tx1)" = ' 7f 45 4c 46' ] || return 0
  mkdir -p "$bin/.elf"
  mv "$1" "$bin/.elf/$name"
  up=$(realpath -m --relative-to="$bin" "$t/root/usr")
  cat >"$bin/$name" <<WRAP
#!/bin/sh
a=\$0; case \$a in /*) ;; *) a=\$PWD/\$a ;; esac
s=\$a; [ ! -L "\$s" ] || s=\$(readlink -f "\$s")
b=\${s%/*} u=\${s%/*}/$up
$(case $name in python3*) printf 'PYTHONHOME=$u PYTHONPATH=$u/lib/python3/dist-packages; export PYTHONHOME PYTHONPATH' ;; esac)
exec "\$u/lib/$ld" --inhibit-cache --library-path "\$u/lib/${ld%/*}" --argv0 "\$a" "\$b/.elf/$name" "\$@"
WRAP
  chmod 755 "$bin/$name"
  # prove that nothing is taken from the host
  "$loader" --inhibit-cache --library-path "${loader%/*}" --list "$bin/.elf/$name" >"$t/log" 2>&1 || die "$name cannot load: $(tail -n 1 "$t/log")"
  ! grep -E 'not found|=> /(usr/)?lib/' "$t/log" >&2 || die "$name needs libraries that were not unpacked (above)"
}
shopt -s nullglob
for f in "$t"/root/usr/bin/* "$t"/root/usr/sbin/* "$t"/root/usr/lib/postgresql/*/bin/*; do wrap "$f"; done
# and nothing by the libraries that a server loads while it runs
for f in "$t"/root/usr/lib/postgresql/*/lib/timescaledb*.so; do
  "$loader" --inhibit-cache --library-path "${loader%/*}" --list "$f" >"$t/log" 2>&1 || true
  ! grep -E 'not found|=> /(usr/)?lib/' "$t/log" >&2 || die "$(basename "$f") needs libraries that were not unpacked (above)"
done

(cd "$t/debs" && ls) | grep -E "^(${named%|})_" | sed 's/\.deb$//; s/%3a/:/' >"$t/root/.complete"
rm -rf "$dir"
mv "$t/root" "$dir"
cat "$dir/.complete"
