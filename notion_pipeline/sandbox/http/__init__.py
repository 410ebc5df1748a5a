"""The API over HTTP: the server with its routes, credentials, limits and faults; OAuth pages; the control endpoints.

In: requests. Out: responses in Notion's form, by `handlers`. May import the other rooms of the sandbox, apart from
`sample`.
"""
