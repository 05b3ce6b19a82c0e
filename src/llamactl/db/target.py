"""Where a connection goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The server, database and user of a session; safe to print."""

    host: str
    port: str
    database: str
    user: str
    """The user that logs in."""
    effective: str = ""
    """The role whose privileges apply; empty before there is a session."""

    @property
    def role(self) -> str:
        """The effective role if it is known, else the user."""
        return self.effective or self.user

    @property
    def place(self) -> str:
        """Host and database for a sentence: `host db.example.com, port 6432, database app`."""
        hosts = [host for host in self.host.split(",") if host]
        kind = "socket" if self.host.startswith(("/", "@")) else "hosts" if len(hosts) > 1 else "host"
        where = f"{kind} {', '.join(hosts)}" if hosts else "the local socket"
        ports = list(dict.fromkeys(port for port in self.port.split(",") if port))
        port = "" if ports in ([], ["5432"]) else f"port{'s' * (len(ports) > 1)} {', '.join(ports)}"
        return ", ".join(filter(None, [where, port, f"database {self.database}" if self.database else ""]))

    def __str__(self) -> str:
        role = f" (role {self.role})" if self.role != self.user else ""
        return f"{self.host or 'the local socket'}:{self.port}/{self.database} as {self.user}{role}"
