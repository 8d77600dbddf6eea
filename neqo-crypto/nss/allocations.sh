#!/usr/bin/env bash
# Looks for allocations for packets inside NSS, which `tests/no_alloc.rs` cannot see: ten times as many packets must not
# take a single call of malloc more.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"${CC:-cc}" -shared -fPIC -O1 -o "$dir/count.so" nss/allocations.c
binary=$(cargo test -p neqo-crypto --features nss --test no_alloc --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
count() {
    NEQO_PACKETS=$1 LD_PRELOAD=$dir/count.so "$binary" --test-threads 1 2>&1 >/dev/null | sed -n 's/^allocations: //p'
}
few=$(count 100)
many=$(count 1000)
echo "100 packets of each kind: $few calls, 1000: $many"
[[ $few -gt 0 && $few -eq $many ]]
