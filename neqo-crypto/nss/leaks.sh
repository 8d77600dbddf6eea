#!/usr/bin/env bash
# Makes 10,000 sessions of NSS that end in every way and has LeakSanitizer, or valgrind where there is none, look for what
# they left behind. An argument is another number of sessions.
set -euo pipefail
cd "$(dirname "$0")/.."

sessions=${1:-10000}
binary=$(cargo test -p neqo-crypto --features nss --test process --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*process-[^"]*\)".*/\1/p' | tail -1)

# gcc's sanitizer for leaks replaces malloc by itself: nothing has to be built for it.
lsan=$(find /usr/lib/gcc /usr/lib64 /usr/lib -name 'liblsan.so*' 2>/dev/null | sort | head -1 || true)
if [[ -n $lsan ]]; then
    LD_PRELOAD=$lsan LSAN_OPTIONS=report_objects=0 "$binary" sessions "$sessions"
elif command -v valgrind >/dev/null; then
    valgrind --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --error-exitcode=1 \
        "$binary" sessions "$sessions"
else
    echo 'error: neither liblsan (of gcc) nor valgrind is there' >&2
    exit 1
fi
echo "no leak"
