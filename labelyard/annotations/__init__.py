"""COCO: what a task's export should hold, reading one, comparing the two, checking, and the file that is handed on.

An export goes through `expected` (what the annotations say), `read` (what the zip says), `compare` (where they differ)
and `write` (the dataset file, judged by pycocotools). `check` looks at every document before pycocotools does.
"""
