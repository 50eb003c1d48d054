"""What labelyard does, one module a step: plain functions over a workplace, without Prefect.

Every step asks the ledger and the server what has been done before it does anything, so that each may be run again at
any time: after a crash, beside another run, or by a person.
"""
