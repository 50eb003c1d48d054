"""Storms: a whole labelyard of real parts, to which everything is done that a seed says; what is left is compared.

`plan` turns a seed into what will happen, `lane` holds the servers, `storm` is one run, `differences` the judgement.
"""
