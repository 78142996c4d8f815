"""Steps, keys, runs, storage and the command line; what extract, filters and dedup rest on."""
