#!/usr/bin/env bash
# Makes 10,000 connections of every pair of libraries, which end in every way, and has LeakSanitizer look for what they
# left behind. An argument is another number of connections.
set -euo pipefail
cd "$(dirname "$0")/.."

connections=${1:-10000}
# rustc brings LeakSanitizer along: linked in, it takes malloc's place, and nothing else has to be built for it.
lsan=$(echo "$(rustc --print target-libdir)"/librustc-*_rt.lsan.a)
[[ -f $lsan ]] || { echo 'error: this rustc has no LeakSanitizer' >&2; exit 1; }
binary=$(cargo rustc -p neqo-crypto --profile test --features nss --test process --message-format=json -- \
    -C link-arg=-Wl,--whole-archive,"$lsan",--no-whole-archive |
    sed -n 's/.*"executable":"\([^"]*process-[^"]*\)".*/\1/p' | tail -1)
# It has to find the one that is there.
if "$binary" leak >/dev/null 2>&1; then
    echo 'error: LeakSanitizer does not work here' >&2
    exit 1
fi
export LSAN_OPTIONS=suppressions=$PWD/nss/leaks.supp
printf '%s\n' 'nss nss' 'nss rustls' 'rustls nss' 'rustls rustls' |
    xargs -P "$(nproc)" -I{} sh -c "'$binary' leaks {} $connections || { echo 'error: from and to: {}' >&2; exit 1; }"
echo "no leak"
