#!/usr/bin/env bash
# Lays out the system's NSS as nss-gk-api expects what NSS's own build leaves behind: headers, libraries and the name of
# the target in ../dist. The arguments that it passes are for a build from source and mean nothing here.
set -euo pipefail
cd "$(dirname "$0")"

minimum=3.87
debian="on Debian or Ubuntu: apt-get install libnss3-dev libclang-dev pkg-config"
fedora="on Fedora: dnf install nss-devel clang-devel pkgconf"

refuse() {
    printf 'error: the feature `nss` needs %s; %s; %s\n' "$1" "$debian" "$fedora" >&2
    exit 1
}

# As clang-sys looks for it: by LIBCLANG_PATH, by the loader, by llvm-config, in the usual places.
has_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return
    # Not -q: it would end the list early, and a writer that is cut off counts as a failure.
    { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep 'libclang[-.]' >/dev/null && return
    command -v llvm-config >/dev/null && return
    compgen -G '/usr/lib*/llvm*/lib*/libclang[-.]*' >/dev/null || compgen -G '/usr/lib*/libclang[-.]*' >/dev/null
}

command -v pkg-config >/dev/null || refuse "pkg-config, to find NSS"
pkg-config --exists nss nspr || refuse "the headers of NSS and NSPR"
pkg-config --atleast-version="$minimum" nss ||
    refuse "NSS $minimum or newer, and this is $(pkg-config --modversion nss)"
headers=$(pkg-config --variable=includedir nss)
[[ -f $headers/sslexp.h ]] || refuse "the header sslexp.h of NSS's experimental functions"
has_libclang || refuse "libclang, to read the headers of NSS"

dist=../dist
rm -rf "$dist"
mkdir -p "$dist/public" "$dist/system/include" "$dist/system/lib"
link() {
    ln -s "$1" "$dist/$2"
}
mkdir "$dist/public/nss"
for header in "$headers"/*.h; do
    link "$header" public/nss/
done
# Debian's package leaves this header out.
if [[ -d $headers/mozpkix ]]; then
    link "$headers/mozpkix" public/nss/
else
    link "$PWD/include/mozpkix" public/nss/
fi
link "$(pkg-config --variable=includedir nspr)" system/include/nspr
for package in nss nspr; do
    libraries=$(pkg-config --variable=libdir "$package")
    for library in nss3 nssutil3 ssl3 smime3 nspr4 plc4 plds4; do
        if [[ -e $libraries/lib$library.so && ! -e $dist/system/lib/lib$library.so ]]; then
            link "$libraries/lib$library.so" system/lib/
        fi
    done
done
printf 'system\n' >"$dist/latest"
