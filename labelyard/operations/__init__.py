"""What people ask for, one module each.

status              every batch, and what needs a person
explain             why an object or batch is in its state (`labelyard why`)
manual              quarantine, restore, cancel, archive, pause, resume, retire
retry               try a failed or waiting batch again
plan                differences between what is declared, ledger, bucket, CVAT and Prefect
apply               store dataset files, carry out a plan
reassign            give somebody's open jobs to others
adopt               put tasks that the ledger does not know into a dataset; rebuild a lost ledger
backfill            register what a bucket already holds
replay_dead_letters parse and register dead letters again
probe_servers       ask unavailable servers whether they answer again
doctor/             checks of the installation
"""
