#!/usr/bin/env python3
"""Interoperability of neqo-server and neqo-client with aioquic, in both directions.

    run.py --bin DIR [--no-skips] [FILTER...]     the programs in DIR
    run.py --self-check [FILTER...]               aioquic with itself: the tests of these tests

A FILTER is a part of the names to run. The last line counts: `N passed, N failed`.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
# Cases that run at the same time; most of them wait.
PARALLEL = 4
TIMEOUT = 120
# What aioquic does not find or names differently; whatever else is under test has to.
BEYOND_AIOQUIC = {
    "version-unknown",
    "nobody-there",
    "lie-h3-cancel-unknown-push",
    "lie-h3-decoder-closed",
    "lie-h3-encoder-closed",
    "lie-h3-goaway-increases",
    "lie-h3-goaway-of-no-request",
    "lie-h3-goaway-too-long",
    "lie-h3-server-bidi-stream",
    "lie-quic-ack-of-unsent",
    "lie-quic-new-cid-changed",
    "lie-quic-new-cid-retires-itself",
    "lie-quic-new-token-empty",
    "lie-quic-parameter-repeated",
}


class Results:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    async def run(self, name: str, case, target):
        start = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                await case(target)
        except TimeoutError:
            self._failed(name, f"not finished after {TIMEOUT} s")
        except Exception as error:
            self._failed(name, str(error) if isinstance(error, AssertionError) else repr(error))
        else:
            self.passed += 1
            print(f"ok      {name} ({time.monotonic() - start:.1f} s)", flush=True)

    def _failed(self, name: str, why: str):
        self.failed += 1
        print(f"FAILED  {name}: {why}", flush=True)

    def skip(self, name: str, why: str):
        self.skipped += 1
        print(f"skipped {name}: {why}", flush=True)

    async def all(self, cases, targets):
        """Runs (name, case) pairs, a few at a time, each with the target of its name."""
        limit = asyncio.Semaphore(PARALLEL)

        async def one(name, case):
            async with limit:
                await self.run(name, case, targets(name))

        await asyncio.gather(*(one(name, case) for name, case in cases))


def selected(role: str, cases, wanted):
    named = ((f"{role}/{name}", case) for name, case in cases.items())
    return [(name, case) for name, case in named if wanted(name)]


async def servers(results: Results, command, certificates, directory: Path, wanted, lenient):
    import against_server
    from process import serving

    cases = selected("server", against_server.CASES, wanted)
    if not cases:
        return
    root = directory / "server" / "root"
    root.mkdir(parents=True)
    command = [*command, "--root", root, "--cert", certificates.cert, "--key", certificates.key]
    async with serving(*command) as (program, port):
        target = against_server.Target(port, certificates.ca, root, lenient)
        before = results.failed
        await results.all(cases, lambda _: target)
        if program.process.returncode is not None:
            results._failed("server/alive", f"it ended with {program.process.returncode}")
        if results.failed > before:
            print(f"the server said last:\n{program.tail()}")


async def clients(results: Results, command, certificates, directory: Path, wanted, _lenient):
    import against_client

    def target(name: str) -> against_client.Target:
        own = directory / name
        own.mkdir(parents=True)
        return against_client.Target(command, certificates, own)

    await results.all(selected("client", against_client.CASES, wanted), target)


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, help="where neqo-server and neqo-client are")
    parser.add_argument("--tls", help="the TLS library that they are to use")
    parser.add_argument("--self-check", action="store_true")
    parser.add_argument("--no-skips", action="store_true", help="count what is skipped as failed")
    parser.add_argument("filter", nargs="*")
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        if options.self_check and name.split("/")[1] in BEYOND_AIOQUIC:
            return False
        return not options.filter or any(f in name for f in options.filter)

    results = Results()
    directory = Path(tempfile.mkdtemp(prefix="interop-"))
    try:
        from peer import Certificates

        certificates = Certificates.make(directory)
        for role, run in (("server", servers), ("client", clients)):
            if options.self_check:
                command = [sys.executable, HERE / f"{role}.py"]
            else:
                program = options.bin and options.bin / f"neqo-{role}"
                command = [program] + (["--tls", options.tls] if options.tls else [])
                if program is None or not program.exists():
                    results.skip(role, f"there is no {program}")
                    continue
            await run(results, command, certificates, directory, wanted, options.self_check)
    except ModuleNotFoundError as error:
        results.skip("everything", f"{error}; see requirements.txt")
    finally:
        shutil.rmtree(directory)

    failed = results.failed + (results.skipped if options.no_skips else 0)
    note = "" if options.no_skips or not results.skipped else f", {results.skipped} skipped"
    print(f"{results.passed} passed, {failed} failed{note}")
    return 1 if failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
