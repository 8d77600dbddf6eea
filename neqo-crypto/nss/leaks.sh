#!/usr/bin/env bash
# Makes 10,000 sessions of NSS that end in every way and has LeakSanitizer look for what they left behind. An argument is
# another number of sessions.
set -euo pipefail
cd "$(dirname "$0")/.."

sessions=${1:-10000}
# The C compiler that links brings its sanitizer for leaks along: nothing else has to be built for it.
binary=$(cargo rustc -p neqo-crypto --profile test --features nss --test process --message-format=json -- -C link-arg=-fsanitize=leak |
    sed -n 's/.*"executable":"\([^"]*process-[^"]*\)".*/\1/p' | tail -1)
LSAN_OPTIONS=suppressions=$PWD/nss/leaks.supp "$binary" sessions "$sessions"
echo "no leak"
