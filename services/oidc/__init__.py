"""People of an identity provider, which is called the issuer: their tokens, and their rights by
group (OpenID Connect).

| file | idea |
|---|---|
| `settings.py` | what the operator says of the issuer |
| `checks.py` | whether that can be meant |
| `groups.py` | from groups to what somebody may do in which project |
| `fetching.py` | one bounded request to the issuer |
| `issuer.py` | its endpoints and its keys: kept, and asked for again at a limited rate |
| `tokens.py` | whether a token is the issuer's, for us, and valid now |
| `checking.py` | the same, by keys that are asked for |
| `people.py` | who the issuer vouched for, and when it last did |
| `admission.py` | from what a token says to who asks |
| `bearer.py` | tokens in the header `Authorization` |
| `sign_in.py` | to the issuer and back: the authorization code flow, for the dashboard |
| `endpoints.py` | the addresses that a browser visits for it |
| `tables.py` | a person |
"""
