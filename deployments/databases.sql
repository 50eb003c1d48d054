-- Beside the ledger's database, which the image of PostgreSQL makes: a database of its own for Prefect's server.
CREATE DATABASE prefect;
