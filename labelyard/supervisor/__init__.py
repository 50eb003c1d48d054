"""The yard: processes that belong together, started in order, watched, restarted, and ended to the last one.

`Yard` supervises any parts; `everything` knows which parts a running labelyard has. Behind `labelyard up` and
`labelyard demo`.
"""

from labelyard.supervisor.process import Output, Part, answers, listens, prints
from labelyard.supervisor.supervisor import Patience, Supervisor

__all__ = ["Output", "Part", "Patience", "Supervisor", "answers", "listens", "prints"]
