"""A network link of one's own between llamactl and a server, which can go down."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Link:
    """The client's end is in a network namespace of its own."""

    namespace: str
    device: str
    server: str
    """The addresses, of a range that nobody uses."""
    client: str

    @property
    def at_the_client(self) -> list[str]:
        """What begins a command line that is to run at the client's end."""
        return ["ip", "netns", "exec", self.namespace]

    def down(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        ip("link", "set", self.device, "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def link() -> Iterator[Link]:
    """A link that is up. Skips the test where there is no right to make one."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network namespace needs root and iproute2: scripts/install_packages.sh installs it")
    name = uuid.uuid4().hex[:8]
    namespace, device, peer = f"llamactl-{name}", f"ll{name}s", f"ll{name}c"
    third, fourth = int(name[:2], 16), int(name[2:4], 16) & ~3
    server, client = f"198.18.{third}.{fourth + 1}", f"198.18.{third}.{fourth + 2}"
    try:
        ip("netns", "add", namespace)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
    try:
        ip("link", "add", device, "type", "veth", "peer", "name", peer, "netns", namespace)
        ip("addr", "add", f"{server}/30", "dev", device)
        ip("link", "set", device, "up")
        ip("-n", namespace, "addr", "add", f"{client}/30", "dev", peer)
        ip("-n", namespace, "link", "set", peer, "up")
        ip("-n", namespace, "link", "set", "lo", "up")
        yield Link(namespace, device, server, client)
    finally:
        subprocess.run(["ip", "link", "del", device], capture_output=True)
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
