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

# The names that clang-sys takes for it.
is_libclang() {
    [[ -f $1 ]] || return
    case ${1##*/} in
        *-cpp.*) return 1 ;;
        libclang.so | libclang.so.* | libclang-*.so | libclang-*.so.*) ;;
        *) return 1 ;;
    esac
}

# True if one of the arguments is libclang, or a directory that has it.
libclang_in() {
    local place file
    for place in "$@"; do
        [[ -n $place ]] || continue
        for file in "$place" "$place"/libclang*.so*; do
            is_libclang "$file" && return
        done
    done
    return 1
}

# As clang-sys looks for it: by LIBCLANG_PATH, and if that is set nowhere else; by the loader, by llvm-config, in the
# usual places.
has_libclang() {
    if [[ -n ${LIBCLANG_PATH+set} ]]; then
        libclang_in "$LIBCLANG_PATH"
        return
    fi
    # Not -q: it would end the list early, and a writer that is cut off counts as a failure.
    { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -E 'libclang(-[0-9.]+)?\.so' >/dev/null && return
    libclang_in "$("${LLVM_CONFIG_PATH:-llvm-config}" --libdir 2>/dev/null)" && return
    libclang_in /usr/lib*/llvm*/lib* /usr/lib*
}

command -v pkg-config >/dev/null || refuse "pkg-config, to find NSS"
pkg-config --exists nss nspr || refuse "the headers of NSS and NSPR"
pkg-config --atleast-version="$minimum" nss ||
    refuse "NSS $minimum or newer, and this is $(pkg-config --modversion nss)"
headers=$(pkg-config --variable=includedir nss)
[[ -f $headers/sslexp.h ]] || refuse "the header sslexp.h of NSS's experimental functions"
has_libclang ||
    refuse "libclang, to read the headers of NSS${LIBCLANG_PATH+, and LIBCLANG_PATH ($LIBCLANG_PATH) names none}"

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
