"""Projects: teams that share one service, and neither see nor slow each other.

| file | idea |
|---|---|
| `tables.py` | a project, its quotas, and when it last had its turn |
| `reach.py` | which project a thing belongs to, and who may reach it |
| `seen_versions.py` | versions by reference, of those that are seen |
| `opening.py` | whether something may be added to one |
| `quotas.py` | what a project uses, beside what it may |
| `cores.py` | how many cores a job makes use of |
| `service.py` | making, describing and archiving projects |
"""
