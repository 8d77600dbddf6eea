"""What a client program has to get right: each case is a server of its own."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import lies
from peer import Certificates, generated
from process import Program, running, serving

HERE = Path(__file__).parent
MIB = 1 << 20
TIMEOUT = 60


@dataclass
class Target:
    """A client program, and a directory that the case has for itself."""

    command: list[str]
    certificates: Certificates
    directory: Path

    def server(self, *options):
        return serving(
            sys.executable,
            HERE / "server.py",
            "--root",
            self.directory,
            "--cert",
            self.certificates.cert,
            "--key",
            self.certificates.key,
            *options,
        )

    async def run(
        self, *arguments, trust: bool = True, timeout: float = TIMEOUT
    ) -> tuple[int, Program]:
        ca = ["--cacert", self.certificates.ca] if trust else []
        async with running(*self.command, "-q", *ca, *arguments) as program:
            return await program.wait(timeout), program


def same(file: Path, content: bytes):
    got = file.read_bytes() if file.exists() else None
    if got != content:
        length = None if got is None else len(got)
        raise AssertionError(f"{file.name} has not the {len(content)} bytes sent, but {length}")


def succeeded(result: tuple[int, Program]):
    code, program = result
    if code != 0:
        raise AssertionError(f"exit code {code}:\n{program.tail()}")


def failed(result: tuple[int, Program]):
    code, program = result
    # What was ended by a signal has a negative code here; 101 is a panic.
    if code <= 0 or code == 101:
        raise AssertionError(f"exit code {code}:\n{program.tail()}")


def get(size: int, *options: str):
    async def case(target: Target):
        out = target.directory / "out"
        async with target.server(*options) as (_, port):
            succeeded(await target.run("-o", out, f"https://localhost:{port}/{size}"))
        same(out, generated(size))

    return case


async def get_100(target: Target):
    out = target.directory / "out"
    out.mkdir()
    sizes = range(1000, 1100)
    async with target.server() as (_, port):
        urls = [f"https://localhost:{port}/{size}" for size in sizes]
        succeeded(await target.run("--output-dir", out, *urls))
    for size in sizes:
        same(out / str(size), generated(size))


async def get_file(target: Target):
    content, out = os.urandom(300_000), target.directory / "out"
    (target.directory / "random.bin").write_bytes(content)
    async with target.server() as (_, port):
        succeeded(await target.run("-o", out, f"https://localhost:{port}/random.bin"))
    same(out, content)


def post(size: int):
    async def case(target: Target):
        body, out = target.directory / "body", target.directory / "out"
        body.write_bytes(os.urandom(size))
        async with target.server() as (_, port):
            url = f"https://localhost:{port}/echo"
            succeeded(await target.run("-o", out, "-d", f"@{body}", url))
        same(out, body.read_bytes())

    return case


async def wrong_authority(target: Target):
    out = target.directory / "out"
    async with target.server() as (_, port):
        arguments = ("-o", out, f"https://localhost:{port}/1")
        other = ("--cacert", target.certificates.other_ca)
        failed(await target.run(*other, *arguments, trust=False))
        succeeded(await target.run("--insecure", *arguments, trust=False))
    same(out, generated(1))


async def nobody_there(target: Target):
    async with target.server() as (program, port):
        await program.end()
        failed(await target.run(f"https://localhost:{port}/1"))


CASES = {
    "get-1": get(1),
    "get-0": get(0),
    "get-1M": get(1_000_000),
    "get-50M": get(50_000_000),
    "get-100-concurrent": get_100,
    "get-file": get_file,
    "post-echo-1": post(1),
    "post-echo-10M": post(10 * MIB),
    "retry": get(100_000, "--retry"),
    "version-negotiation": get(100_000, "--versions", "6b3343cf"),
    "version-1": get(100_000, "--versions", "1"),
    "wrong-authority": wrong_authority,
    "nobody-there": nobody_there,
}


def lying(lie: lies.Lie):
    async def case(target: Target):
        async with target.server("--lie", name) as (server, port):
            out = target.directory / "out"
            url = f"https://localhost:{port}/1"
            failed(await target.run("-o", out, url, timeout=20))
            if lie.scope == "connection":
                await closed(server, lie)

    name = next(name for name, other in lies.SERVER.items() if other is lie)
    return case


async def closed(server: Program, lie: lies.Lie):
    level = "application" if 0x100 <= lie.codes[0] else "transport"
    line = await server.line("closed ", 10)
    if line.split()[1:3] not in ([level, f"0x{code:x}"] for code in lie.codes):
        raise AssertionError(f"{line!r}, not {level} {tuple(map(hex, lie.codes))}")


CASES |= {f"lie-{name}": lying(lie) for name, lie in lies.SERVER.items()}
