"""What the API families share: the parts of Django REST framework, with its names and its error texts.

Requests, fields and serializers, exceptions, responses, pages and the Authorization header. A family configures them.
"""
