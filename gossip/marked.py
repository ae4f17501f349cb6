"""A measured table within a written page: what stands between two marks is replaced, the rest stays."""

from __future__ import annotations

from pathlib import Path


def has_marks(path: Path, begin: str, end: str) -> bool:
    """Tell whether a file has a mark where the table begins, and one behind it where that ends."""
    return path.is_file() and end in path.read_text().partition(begin)[2]


def put(path: Path, begin: str, end: str, table: str) -> None:
    """Replace what a file has between its marks."""
    before, _, rest = path.read_text().partition(begin)
    path.write_text(f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}")
