"""The dashboard: one page of plain HTML, CSS and ES modules.

It uses the REST API like any other client.
"""
