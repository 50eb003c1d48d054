"""The API of CVAT 1.0.0 (`/api/v1`): its routes, bodies and representations, and the behaviour of its REST framework.

Names are those of Django REST framework, and so are the texts of errors. `routes.mount` adds the family to a server.
"""
