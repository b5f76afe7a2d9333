"""Making page, pictures and tables of a report again from its `results.json`, and finding those
that are not what it says."""

from __future__ import annotations

from pathlib import Path

from meta_trainer.evaluation.reporting.drawn_report import redraw_report
from meta_trainer.evaluation.reporting.files import RESULTS, build_shown_files, build_texts
from meta_trainer.evaluation.reporting.pictures import list_captions
from meta_trainer.evaluation.reporting.results import decode_results


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


def find_differences(folder: Path, page: str = "report.md") -> list[Path]:
    """Files beside `results.json` that are not what it says: the page and tables letter by letter;
    pictures, which every version of the drawing library draws a little otherwise, only if they are
    missing.

    Args:
        page: the name of the Markdown page.

    Raises:
        OSError: `results.json` cannot be read.
        ValueError: it is not what an evaluation wrote.
    """
    results = decode_results((folder / RESULTS).read_bytes())
    texts = build_texts(results)
    texts[page] = texts.pop("report.md")
    differing = [folder / name for name, text in texts.items() if _read(folder / name) != text]
    pictures = [folder / caption.name for caption in list_captions(results.report)]
    return differing + [path for path in pictures if not path.is_file()]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
