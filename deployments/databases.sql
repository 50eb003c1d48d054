-- The database of Prefect's server. The PostgreSQL image creates the ledger's.
CREATE DATABASE prefect;
