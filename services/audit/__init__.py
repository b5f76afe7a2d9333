"""The audit log: every request that changed something, or was refused to: who, what, when, and from
where.

| file | idea |
|---|---|
| `tables.py` | one row a request |
| `log.py` | writing it, to the table and as JSON lines |
| `layer.py` | the layer around the application that notes requests |
| `endpoints.py` | `GET /v1/audit/requests` |
"""
