"""Making page, pictures and tables of a report again from its `results.json`."""

from __future__ import annotations

from pathlib import Path

from meta_trainer.evaluation.reporting.drawn_report import redraw_report
from meta_trainer.evaluation.reporting.files import RESULTS, build_shown_files


def rebuild_report(folder: Path, page: str | None = None) -> list[Path]:
    """Write everything that is made from `results.json` beside it.

    Args:
        page: the name of the Markdown page where it is another than `report.md`; the HTML page is
            left out then, as in the folders of a repository.

    Returns:
        The files written.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the file is not what an evaluation wrote.
    """
    drawn = redraw_report((folder / RESULTS).read_bytes())
    files = build_shown_files(drawn)
    del files[RESULTS]
    if page is not None:
        files[page] = files.pop("report.md")
        del files["report.html"]

    paths = []
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths
