#!/bin/sh
# Installs sagate from this folder, or uninstalls it. Needs Linux on x86-64 with glibc, a shell, tar and coreutils.
#
#   ./install.sh                       into /usr/local (as root)
#   ./install.sh --prefix DIR          into DIR
#   ./install.sh --uninstall [--prefix DIR]
#
# Settings that you have changed are never overwritten or removed.
set -eu

prefix=/usr/local
what=install
while [ $# -gt 0 ]; do
    case $1 in
    --prefix)
        [ $# -ge 2 ] || { echo "install.sh: --prefix needs a folder" >&2; exit 2; }
        prefix=$2
        shift
        ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) what=uninstall ;;
    -h | --help)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0"
        exit
        ;;
    *)
        echo "install.sh: unknown argument $1; --help lists those that there are" >&2
        exit 2
        ;;
    esac
    shift
done
case $prefix in
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
prefix=${prefix%/}
case $prefix in
*[!A-Za-z0-9/._+-]*)
    echo "install.sh: the folder's name goes into settings: letters, digits and /._+- only, not $prefix" >&2
    exit 2
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
list=$prefix/share/sagate/installed
settings=$prefix/etc/sagate/sagate.toml

if [ "$what" = uninstall ]; then
    [ -f "$list" ] || { echo "install.sh: no sagate was installed into $prefix: there is no $list" >&2; exit 1; }
    # Settings are not listed: they are removed only if unchanged.
    if [ -f "$settings" ] && [ -f "$settings.came" ] && cmp -s "$settings" "$settings.came"; then
        rm -f "$settings"
    elif [ -f "$settings" ]; then
        echo "kept: $settings, which was changed"
    fi
    rm -f "$settings.came"
    while IFS= read -r file; do
        rm -f "$prefix/$file"
    done <"$list"
    rm -f "$list"
    # Empty folders, the deepest first.
    for folder in bin lib/sagate lib share/sagate/models/*/* share/sagate/models/* share/sagate/models share/sagate share/doc/sagate share/doc \
        share/man/man1 share/man share etc/sagate etc; do
        # shellcheck disable=SC2086
        for found in $prefix/$folder; do
            rmdir "$found" 2>/dev/null || true
        done
    done
    echo "sagate is gone from $prefix"
    exit
fi

machine=$(uname -s)-$(uname -m)
[ "$machine" = Linux-x86_64 ] || { echo "install.sh: this is for Linux on x86-64, not for $machine" >&2; exit 1; }
needed=$(cat "$here/GLIBC")
there=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')
[ -n "$there" ] || { echo "install.sh: this needs glibc $needed or newer; this machine has another C library" >&2; exit 1; }
older=$(printf '%s\n%s\n' "$needed" "$there" | sort -t . -k 1,1n -k 2,2n | head -n 1)
if [ "$older" != "$needed" ]; then
    echo "install.sh: this needs glibc $needed or newer, and here is $there: take a newer distribution (Debian 12, Ubuntu 24.04), or the image" >&2
    exit 1
fi
echo "checking what was downloaded"
(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS) || { echo "install.sh: files are damaged: download it again" >&2; exit 1; }

# Remove files of an older version that this one lacks.
if [ -f "$list" ]; then
    while IFS= read -r file; do
        [ -e "$here/$file" ] || rm -f "$prefix/$file"
    done <"$list"
fi
umask 022
mkdir -p "$prefix/share/sagate" "$prefix/etc/sagate"
(cd "$here" && find bin lib share -type f) >"$list.partial"
while IFS= read -r file; do
    mkdir -p "$prefix/$(dirname "$file")"
    # Written to a temporary name, then renamed: a running sagate keeps its open file.
    cp "$here/$file" "$prefix/$file.partial"
    mv -f "$prefix/$file.partial" "$prefix/$file"
done <"$list.partial"
mv -f "$list.partial" "$list"

# Settings and unit with this folder's paths.
sed "s|\"/usr/share/sagate/|\"$prefix/share/sagate/|; s|/usr/share/doc/sagate/|$prefix/share/doc/sagate/|" \
    "$here/share/sagate/sagate.toml" >"$settings.came.partial"
if [ ! -f "$settings" ] || { [ -f "$settings.came" ] && cmp -s "$settings" "$settings.came"; }; then
    cp "$settings.came.partial" "$settings"
else
    echo "kept: $settings, which was changed; this version's is $settings.came"
fi
mv -f "$settings.came.partial" "$settings.came"
sed "s|/usr/bin/sagate|$prefix/bin/sagate|g; s|=/etc/sagate|=$prefix/etc/sagate|; s| /etc/sagate/| $prefix/etc/sagate/|; s|^ConfigurationDirectory=.*|# &|
     s| -/usr/local| |; s|^ExecPaths=|&$prefix/lib/sagate |; s|file:///usr/share/|file://$prefix/share/|" \
    "$here/share/sagate/sagate.service" >"$prefix/share/sagate/sagate.service"

"$prefix/bin/sagate" version
cat <<TEXT

sagate is in $prefix. Next:
  $prefix/bin/sagate doctor --config $settings
  $prefix/bin/sagate serve --config $settings
As a service of systemd (as root):
  cp $prefix/share/sagate/sagate.service /etc/systemd/system/
  systemd-sysusers $prefix/share/sagate/sagate.sysusers
  systemctl daemon-reload && systemctl enable --now sagate
TEXT
