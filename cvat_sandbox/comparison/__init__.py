"""Comparisons of annotations: quality reports on jobs with ground truth, and the consensus of replicas, as in CVAT 2.x.

Nothing here reads or writes the database but `reading`.
"""
