"""Small phrases that several renderings share."""

from __future__ import annotations

from collections.abc import Sequence

def plural(count: int, noun: str) -> str:
    """`1 row`, `2 rows`, `4,052 rows`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def sampled(sample: Sequence[str], count: int) -> str:
    """The sample, and how many it leaves out."""
    left_out = count - len(sample)
    if not sample:
        return ""
    return ", ".join(sample) + (f", ... {left_out:,} more" if left_out > 0 else "")


def joined(*parts: str) -> str:
    """The parts that say something, as one line."""
    return " | ".join(part for part in parts if part)


def size(count: int) -> str:
    """Bytes as people read them: `1.9 MB`, in powers of 1024 as pg_size_pretty has it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """`4 ms`, `1.2 s`, `2m27s`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s"
