"""What people drew in a task, without the rules of any dataset format.

`content` holds images with their instances, `tracks` turns tracks into one shape per frame, and `comparison` finds
where two readings of the same task differ.
"""
