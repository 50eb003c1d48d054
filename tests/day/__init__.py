"""A scripted day of an installation: arrivals, an outage of CVAT, a slow person, a rejected file, a dead worker, a
deleted task. At its end a lead's ten questions are answered from the pages in Prefect alone. See `__main__`."""
