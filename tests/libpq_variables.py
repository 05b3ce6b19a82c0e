"""Values of libpq's variables that break a connection, or lead it elsewhere."""

from __future__ import annotations

from psycopg import pq

NOT_IN_CONNINFO = {"PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL", "PGDATA"}
"""Variables of libpq and of the server that are no parameters of a connection string."""
HOSTILE = {
    "PGHOST": "/nonexistent",
    "PGHOSTADDR": "127.0.0.1",
    "PGPORT": "1",
    "PGDATABASE": "nothing",
    "PGUSER": "nobody",
    "PGPASSFILE": "/nonexistent",
    "PGSERVICE": "nothing",
    "PGSERVICEFILE": "/nonexistent",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGTZ": "nowhere",
    "PGDATESTYLE": "none",
    "PGGEQO": "neither",
    "PGCONNECT_TIMEOUT": "never",
    "PGTARGETSESSIONATTRS": "standby",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGREQUIREPEER": "nobody",
    "PGREQUIRESSL": "1",
    "PGCLIENTENCODING": "none",
    "PGDATA": "/nonexistent",
}


def hostile() -> dict[str, str]:
    """Every variable that this libpq knows, each with a value that breaks a connection or leads elsewhere."""
    known = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    return dict.fromkeys(known | NOT_IN_CONNINFO, "bogus") | HOSTILE
