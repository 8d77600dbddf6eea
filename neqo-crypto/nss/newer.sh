#!/usr/bin/env bash
# Runs the tests that were built against the system's NSS with a newer one loaded in its place: that in the directory
# given, or that of Debian's firefox-esr, which is downloaded. Post-quantum groups and compressed certificates have to be
# there, and what the tests find there they negotiate.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=${1:-}
if [[ -z $libraries ]]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    (cd "$dir" && apt-get download firefox-esr && dpkg -x firefox-esr_*.deb .)
    libraries=$dir/usr/lib/firefox-esr
fi
cargo test -p neqo-crypto --features nss --lib --test session --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' |
    while read -r binary; do
        NEQO_NSS_IS_NEW=1 LD_LIBRARY_PATH=$libraries "$binary"
    done
