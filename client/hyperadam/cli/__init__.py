"""The command `hyperadam`: the service from a shell. Shows people tables and progress, and machines
JSON (`--json`).

Exit codes, the same for every command:

    0    done; a job that was followed succeeded
    1    the job that was followed failed or was cancelled
    2    usage: the command line, a file or the job's spec is not valid
    3    no access: the server cannot be reached or is not available, or no key, or a refused one
    4    the server refused or failed otherwise: not found, conflict, damaged download, …
    130  interrupted; a job that was followed goes on

Importing this imports neither torch nor the HTTP library: `hyperadam --help` is quick.
"""

from __future__ import annotations

from hyperadam.cli.app import app, main

__all__ = ["app", "main"]
