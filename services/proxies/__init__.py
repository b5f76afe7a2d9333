"""Behind proxies: below which path the service is, who is believed about a client, and which pages
of other origins may ask.

| file | idea |
|---|---|
| `checks.py` | what the settings may say |
| `layers.py` | the layers around the application that do what they say |
"""
