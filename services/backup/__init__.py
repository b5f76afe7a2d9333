"""Backups of a service: its job store, its registry and the files of runs, as one folder.

manifest.py     what a backup says of itself; written last, so that a half one has none
databases.py    a database as a file: SQLite by its online backup, Postgres by pg_dump
objects.py      files by their digest
run_files.py    where files of runs lie: a folder, or a bucket
making.py       from a running service to a backup
restoring.py    from a backup to a new home
command.py      `hyperadam-server backup` and `restore`
"""
