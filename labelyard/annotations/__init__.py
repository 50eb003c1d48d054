"""What people drew in a task, in one neutral model that drops nothing.

`reading` asks CVAT for an annotation set, `objects` turns it into one object per frame, `tracks` interpolates, `faults`
says which objects no dataset can hold, `witness` compares the objects with CVAT's own export, and `account` proves that
nothing was dropped in silence.
"""
