"""The formats of CVAT 2.x. `registry` lists them, `snapshot` has what they write and `dataset` its images."""
