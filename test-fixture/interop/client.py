"""An HTTP/3 client on aioquic with the command line of our own: a stand-in that shows that the
tests themselves are right.

    client.py [--cacert CA | --insecure] [-q] [-o FILE | --output-dir DIR] [-d @FILE] URL...

Exits with 0 if every response arrived whole.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from aioquic.asyncio import connect

from peer import Client, StreamFailed, client_configuration


async def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cacert", type=Path)
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("-q", action="store_true")
    parser.add_argument("-o", type=Path)
    parser.add_argument("--output-dir", type=Path)
    parser.add_argument("-d")
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args(arguments)
    body = Path(options.d[1:]).read_bytes() if options.d else None
    configuration = client_configuration(None if options.insecure else options.cacert)

    async def fetch(client: Client, url: str) -> bool:
        path = urlsplit(url).path
        response = await client.request("POST" if body is not None else "GET", path, body)
        length = response.headers.get("content-length")
        if length is not None and int(length) != len(response.body):
            return False
        file = options.o
        if options.output_dir:
            file = options.output_dir / path.lstrip("/").replace("/", "_")
        if file:
            file.write_bytes(response.body)
        return True

    port = urlsplit(options.urls[0]).port
    try:
        async with connect(
            "127.0.0.1", port, configuration=configuration, create_protocol=Client
        ) as client:
            results = await asyncio.gather(*(fetch(client, url) for url in options.urls))
            return 0 if all(results) else 1
    except (StreamFailed, ConnectionError) as error:
        print(f"client: {error!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
