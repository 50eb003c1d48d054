"""The API of CVAT 2.x (`/api`), as version 2.73 serves it.

One module a concern, each with a list `ENDPOINTS` that `routes` collects. `dispatch` leads a request to its handler,
`permissions` has the rules of who may do what, `filters` those of lists.
"""
