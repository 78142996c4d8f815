"""The application's packages, not for import by others: the public names are those of `corpus_pipeline`."""
