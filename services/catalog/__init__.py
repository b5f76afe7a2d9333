"""What a spec may be made of: presets, datasets, tasks; and the specs' own schemas.

| file | idea |
|---|---|
| `endpoints.py` | the REST calls |
| `service.py` | what they answer with |
| `datasets.py` | which data this service has, and the refusal of a job whose data is not there |
| `tasks.py` | rules, kinds of tasks, suites and baselines |
| `document.py` | the specs' schemas in `/openapi.json` |
"""
