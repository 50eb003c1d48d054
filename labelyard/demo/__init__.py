"""The demo: `labelyard up` with an emulator of S3 and SQS, a sandbox CVAT, robots and photographs beside it.

surroundings (what stands around labelyard, and the `.env` that leads there), photographer (puts the photographs),
scene and display (what happens, live), proof (that all of it is right), story (all of it in order).
"""
