"""The processes behind `labelyard up` and `labelyard demo`: started in order, restarted, and stopped together.

`Supervisor` runs any processes; `stack` knows those of labelyard; `reaper` stops what a killed supervisor left running.
"""

from labelyard.supervisor.process import Output, Process, answers, prints
from labelyard.supervisor.supervisor import RestartPolicy, Supervisor

__all__ = ["Output", "Process", "RestartPolicy", "Supervisor", "answers", "prints"]
