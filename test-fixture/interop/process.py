"""Programs under test: started, watched for a line, ended, and their output kept for reports."""

import asyncio
import contextlib
import socket


class Program:
    """A process whose output is collected line by line, stdout and stderr together."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.lines: list[str] = []
        self.more = asyncio.Condition()
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *command) -> "Program":
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(process)

    async def _read(self):
        async for line in self.process.stdout:
            async with self.more:
                self.lines.append(line.decode(errors="replace").rstrip())
                self.more.notify_all()
        async with self.more:
            self.more.notify_all()

    async def line(self, start: str, timeout: float) -> str:
        """The first line that begins with `start`, waited for."""

        def found():
            return next((line for line in self.lines if start in line), None)

        try:
            async with asyncio.timeout(timeout), self.more:
                await self.more.wait_for(lambda: found() or self.reader.done())
        except TimeoutError:
            pass
        line = found()
        if line is None:
            raise AssertionError(f"no line with {start!r}; output:\n{self.tail()}")
        return line

    async def wait(self, timeout: float) -> int:
        try:
            async with asyncio.timeout(timeout):
                code = await self.process.wait()
                await self.reader
        except TimeoutError:
            raise AssertionError(f"still running after {timeout} s:\n{self.tail()}") from None
        return code

    async def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self.reader

    def tail(self) -> str:
        return "\n".join(f"    | {line}" for line in self.lines[-20:])


@contextlib.asynccontextmanager
async def running(*command):
    program = await Program.start(*command)
    try:
        yield program
    finally:
        await program.end()


@contextlib.asynccontextmanager
async def serving(*command):
    """A server on a port of its own: the program and the port."""
    port = free_port()
    async with running(*command, f"127.0.0.1:{port}") as program:
        await program.line(f"listening on 127.0.0.1:{port}", 15)
        yield program, port


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
