"""The dashboard: one page of plain HTML, CSS and ES modules, which uses the REST API like any other
client."""
