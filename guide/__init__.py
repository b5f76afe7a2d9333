"""The documentation site: MkDocs builds `docs/` by `mkdocs.yml`; this package adds what it lacks.

| file | what |
|---|---|
| `hooks.py` | what MkDocs calls while it builds |
| `outward_links.py` | links that lead out of `docs/`: to a page of the site, or to plain text |
| `inline_scripts.py` | scripts of pages become files, so that a strict policy admits them |
| `source_maps.py` | takes the theme's source maps away |
| `pictures.py` | charts in fewer colours, and a third of the bytes |
| `generated/` | parts of pages that are made of the code |
| `check.py` | `python -m guide.check SITE`: links, anchors, and addresses elsewhere |
"""
