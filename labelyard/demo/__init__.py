"""The demo: `labelyard up` beside an S3 and SQS emulator, a CVAT sandbox, annotator bots and 27 photographs.

`environment` starts what surrounds labelyard, `uploader` puts the photographs, `bots` label them, `snapshot` and
`display` show the progress, `verify` checks the result, and `run` does all of it in order.
"""
