"""A worker as it should log: imports a dozen albums, four at a time, and shows what one of them caused.

    .venv/bin/python examples/album_import.py

It starts a private Postgres with the demo's tables, migrates the log, and ends by itself. Nothing else is
touched.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from llamactl.demo import HERE
from llamactl.logger import Entity, Job, LlamaLogger
from llamactl.postgres.server import PrivatePostgres

Connection = psycopg.Connection[Any]

UNIQUE_KEYS = """
CREATE UNIQUE INDEX "artists_name_key" ON "artists" (lower("name"));
ALTER TABLE "albums" ADD "catalogue_number" text UNIQUE;
ALTER TABLE "tracks" ADD "album_id" uuid REFERENCES "albums", ADD "position" integer;
ALTER TABLE "tracks" ADD UNIQUE ("album_id", "position");
"""
"""What tells a new artist from a known one, whoever else is importing them at the moment."""


class Track(NamedTuple):
    title: str | None
    featured: tuple[str, ...] = ()


class Release(NamedTuple):
    catalogue_number: str
    title: str
    artist: str | None
    tracks: tuple[Track, ...]


def find_or_create_artist(connection: Connection, name: str) -> tuple[UUID, bool]:
    """Returns the artist's id, and whether this very call created it.

    Of those who ask at once for one that is new, the first inserts it, and the others wait for its commit.
    Call it in a transaction of its own: two that hold several artists each could wait for each other.
    """
    select = 'SELECT "id" FROM "artists" WHERE lower("name") = lower(%s)'
    insert = (
        'INSERT INTO "artists" ("name") VALUES (%s) ON CONFLICT (lower("name")) DO NOTHING RETURNING "id"'
    )
    while True:
        if found := connection.execute(select, [name]).fetchone():
            return found[0], False
        if created := connection.execute(insert, [name]).fetchone():
            return created[0], True


def insert(connection: Connection, statement: str, *values: object) -> UUID:
    """Returns the id of the new row."""
    row = connection.execute(f'INSERT INTO {statement} RETURNING "id"', values).fetchone()
    assert row
    new_id: UUID = row[0]
    return new_id


def import_artist(logger: LlamaLogger, connection: Connection, name: str, cause: Job, of: Entity) -> None:
    """CREATED for a new artist; LINKED for one that was there, with what."""
    with cause.child("artist:import", Entity("ARTIST")) as job, logger.transaction(connection):
        artist_id, is_new = find_or_create_artist(connection, name)
        artist = Entity("ARTIST", artist_id)
        if is_new:
            job.created(artist, fields_enriched=["name"], metadata={"name": name})
        else:
            job.linked(artist, to=of, metadata={"name": name})


def import_track(
    logger: LlamaLogger, connection: Connection, cause: Job, position: int, track: Track
) -> None:
    """A row for the track, created or failed, and one for each featured artist; a failure stops no other."""
    with cause.child("track:import", Entity("TRACK")) as job:
        try:
            with logger.transaction(connection):
                track_id = insert(
                    connection,
                    '"tracks" ("album_id", "position", "title") VALUES (%s, %s, %s)',
                    cause.entity.id,
                    position,
                    track.title,
                )
                created = Entity("TRACK", track_id)
                job.created(created, fields_enriched=["title", "position"], metadata={"title": track.title})
        except psycopg.Error as error:
            first_line, attempted = (
                str(error).partition("\n")[0],
                {"position": position, "title": track.title},
            )
            job.failed(error, attempted=attempted, error_message=first_line)
            return
        for name in track.featured:
            import_artist(logger, connection, name, job, created)


def import_album(logger: LlamaLogger, connection: Connection, release: Release) -> None:
    """The root of all that follows from a release."""
    slug = release.title.lower().replace(" ", "-")
    with logger.root("album:import", Entity("ALBUM"), job_id=f"import-{slug}", triggered_by="example") as job:
        with logger.transaction(connection):
            row = '"albums" ("catalogue_number", "title") VALUES (%s, %s)'
            album = Entity("ALBUM", insert(connection, row, release.catalogue_number, release.title))
            job.created(album, fields_enriched=["title"], metadata={"title": release.title})
        if release.artist:
            import_artist(logger, connection, release.artist, job, album)
        else:
            job.missing(Entity("ARTIST"), "The release names no artist")
        with job.child("album:enrich", album, sources=["MUSICBRAINZ"]) as enrichment:
            enrichment.enriched(
                fields_enriched=["label"], data_quality_before="LOW", data_quality_after="HIGH"
            )
            for position, track in enumerate(release.tracks, start=1):
                import_track(logger, connection, enrichment, position, track)


def main() -> int:
    with PrivatePostgres() as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE music")
        dsn = server.conninfo("music")
        with psycopg.connect(dsn) as connection:
            connection.execute((HERE / "log_table.sql").read_bytes())
            connection.execute(UNIQUE_KEYS)
        if failed := llamactl(dsn, "migrate", "--yes", show=False):
            return failed
        import_all(dsn, RELEASES)
        return llamactl(dsn, "tree", "import-tapestry") or llamactl(dsn, "verify")


def import_all(dsn: str, releases: tuple[Release, ...]) -> None:
    """Four workers, each with a connection of its own, and one logger for all of them."""

    def work(release: Release) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            import_album(logger, connection, release)

    with LlamaLogger(dsn) as logger, ThreadPoolExecutor(max_workers=4) as workers:
        list(workers.map(work, releases))
    counters = logger.counters
    print(
        f"{len(releases)} albums imported: {counters.written} rows in the log, {counters.lost} lost",
        flush=True,
    )


def llamactl(dsn: str, *words: str, show: bool = True) -> int:
    """Runs the command as one types it; returns its exit code. Not shown, it is quiet unless it fails."""
    if show:
        print(f"\n$ llamactl {' '.join(words)}", flush=True)
    command = [sys.executable, "-m", "llamactl", *words, "--dsn", dsn]
    done = subprocess.run(command, check=False, text=True, capture_output=not show)
    if done.returncode and not show:
        print(done.stderr, file=sys.stderr)
    return done.returncode


RELEASES = (
    Release(
        "SP 77009",
        "Tapestry",
        "Carole King",
        (
            Track("I Feel the Earth Move"),
            Track("So Far Away", ("James Taylor",)),
            Track("Way Over Yonder", ("Merry Clayton",)),
            Track(None),  # the source has lost its title
            Track("You've Got a Friend", ("James Taylor",)),
        ),
    ),
    Release(
        "BLP 1577",
        "Blue Train",
        "John Coltrane",
        (Track("Blue Train", ("Lee Morgan", "Curtis Fuller")), Track("Moment's Notice"), Track("Lazy Bird")),
    ),
    Release(
        "CL 1355",
        "Kind of Blue",
        "Miles Davis",
        (
            Track("So What", ("John Coltrane", "Cannonball Adderley")),
            Track("Freddie Freeloader", ("Wynton Kelly",)),
            Track("Blue in Green", ("Bill Evans", "John Coltrane")),
        ),
    ),
    Release(
        "A-77",
        "A Love Supreme",
        "John Coltrane",
        (
            Track("Acknowledgement", ("McCoy Tyner",)),
            Track("Resolution"),
            Track("Pursuance", ("Elvin Jones",)),
        ),
    ),
    Release(
        "BLP 4003",
        "Moanin'",
        "Art Blakey",
        (Track("Moanin'", ("Lee Morgan", "Bobby Timmons")), Track("Along Came Betty", ("Benny Golson",))),
    ),
    Release(
        "BLP 1595",
        "Somethin' Else",
        "Cannonball Adderley",
        (Track("Autumn Leaves", ("Miles Davis",)), Track("One for Daddy-O", ("Miles Davis", "Art Blakey"))),
    ),
    Release(
        "BLP 4157",
        "The Sidewinder",
        "Lee Morgan",
        (Track("The Sidewinder", ("Joe Henderson",)), Track("Totem Pole", ("Joe Henderson",))),
    ),
    Release(
        "BLP 4195",
        "Maiden Voyage",
        "Herbie Hancock",
        (
            Track("Maiden Voyage", ("Freddie Hubbard",)),
            Track("Dolphin Dance", ("Freddie Hubbard", "Ron Carter")),
        ),
    ),
    Release(
        "BLP 4194",
        "Speak No Evil",
        "Wayne Shorter",
        (Track("Witch Hunt", ("Freddie Hubbard", "Herbie Hancock")), Track("Infant Eyes", ("Elvin Jones",))),
    ),
    Release(
        "ILPS 9184", "Pink Moon", "Nick Drake", (Track("Pink Moon"), Track("Place to Be"), Track("Road"))
    ),
    Release(
        "ILPS 9134",
        "Bryter Layter",
        "nick drake",  # the same one, by his unique key
        (Track("Hazey Jane II", ("Richard Thompson",)), Track("Northern Sky", ("John Cale",))),
    ),
    Release("FR 001", "Harbour Recordings", None, (Track("Tide"), Track("Ferry, Leaving"))),
)


if __name__ == "__main__":
    sys.exit(main())
