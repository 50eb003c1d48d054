"""The yard: processes that belong together, started in order, watched, restarted, and ended to the last one.

`Yard` supervises any parts; `everything` knows which parts a running labelyard has. Behind `labelyard up` and
`labelyard demo`.
"""

from labelyard.yard.part import Output, Part, answers, listens, prints
from labelyard.yard.supervisor import Interrupted, Patience, Yard

__all__ = ["Interrupted", "Output", "Part", "Patience", "Yard", "answers", "listens", "prints"]
