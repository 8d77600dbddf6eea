#!/usr/bin/env bash
# Runs the tests that were built against the system's NSS with a newer one loaded in its place: that in the directory
# given, or that of Debian's firefox-esr, which is downloaded. Post-quantum groups and compressed certificates have to be
# there, and what the tests find there they negotiate. Firefox's NSS has no libpkix: tests with roots of their own only
# see it say so. The tests that need processes of their own run certutil, which gets along with the newer NSS.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=${1:-}
if [[ -z $libraries ]]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    (cd "$dir" && apt-get download firefox-esr && dpkg -x firefox-esr_*.deb .)
    libraries=$dir/usr/lib/firefox-esr
fi
[[ -e $libraries/libnss3.so ]] || { echo "error: no libnss3.so in $libraries" >&2; exit 1; }
mapfile -t binaries < <(cargo test -p neqo-crypto --features nss --lib --test session --test process --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
[[ ${#binaries[@]} -eq 3 ]] || { echo "error: 3 test programs expected, not ${#binaries[@]}" >&2; exit 1; }
for binary in "${binaries[@]}"; do
    NEQO_NSS_IS_NEW=1 LD_LIBRARY_PATH=$libraries "$binary"
done
