"""Files of the cache that nobody has used for long: tuned rates and outcomes can be made again."""

from __future__ import annotations

import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from services.housekeeping.findings import Finding

FOLDERS: Final = ("tuned-rates", "outcomes", "studies")
"""Below the cache's folder; nothing else in it is touched."""


def prune_outcomes(cache: Path, cut: datetime, *, dry: bool) -> Finding:
    """Remove files that were neither written nor read since `cut`. No link is followed."""
    n_files = n_bytes = 0
    for name in FOLDERS:
        for path in sorted((cache / name).rglob("*")):
            with suppress(OSError):
                status = path.lstat()
                used_at = max(status.st_mtime, status.st_atime)
                if not stat.S_ISREG(status.st_mode) or used_at >= cut.timestamp():
                    continue
                n_files += 1
                n_bytes += status.st_size
                if not dry:
                    path.unlink()
    return Finding(category="outcomes", n_items=n_files, unit="files", n_bytes=n_bytes)
