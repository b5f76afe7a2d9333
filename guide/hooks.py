"""What MkDocs calls while it builds the site (`mkdocs.yml` names this file)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

from guide.generated import fill_generated
from guide.inline_scripts import move_scripts
from guide.outward_links import PROJECT_PAGES, LinkRewriter
from guide.pictures import shrink_charts
from guide.source_maps import drop_source_maps

TOP: Final = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: Any) -> Files:
    """Pages of the project that do not lie in `docs/`."""
    for name, place in PROJECT_PAGES.items():
        path = TOP / name
        if path.exists():
            files.append(File.generated(config, place, content=path.read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Parts that are made of the code, and links that the site has."""
    pages = {file.src_uri for file in files if not file.inclusion.is_excluded()}
    return LinkRewriter(TOP, pages).rewrite(fill_generated(markdown), page.file.src_uri)


def on_post_page(output: str, page: Any, config: Any) -> str:
    return move_scripts(output, page.url, Path(config["site_dir"]))


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The page that says that there is no such page; its addresses begin at the top."""
    if not template_name.endswith(".html"):
        return output_content
    return move_scripts(output_content, template_name, Path(config["site_dir"]))


def on_post_build(config: Any) -> None:
    site = Path(config["site_dir"])
    drop_source_maps(site)
    shrink_charts(site)
